variable "name" {
  description = "Prefix of all names, for example nightshelf-dev."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,24}$", var.name))
    error_message = "name: 3 to 25 characters, lower-case letters, digits and hyphens, a letter first."
  }
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets, in two zones at least."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids: two at least."
  }
}

variable "client_security_group_ids" {
  description = "Security groups that may connect, by a name for people."
  type        = map(string)
}

variable "data_key_arn" {
  description = "KMS key of snapshots and swap."
  type        = string
}

variable "logs_key_arn" {
  description = "KMS key of the slow log."
  type        = string
}

variable "log_retention_days" {
  description = "How long the slow log is kept."
  type        = number
  default     = 30
}

variable "engine_version" {
  description = "Valkey version; IAM log-in wants 7.2 or newer."
  type        = string
  default     = "8.0"

  validation {
    condition     = can(regex("^(7\\.2|8\\.[0-9]+|9\\.[0-9]+)$", var.engine_version))
    error_message = "engine_version: 7.2, 8.x or 9.x."
  }
}

variable "node_type" {
  description = "Size of each node. Two versions of all lists stand at the peak, and a quarter is kept free."
  type        = string
  default     = "cache.t4g.small"

  validation {
    condition     = can(regex("^cache\\.[a-z0-9]+\\.[a-z0-9]+$", var.node_type))
    error_message = "node_type: for example cache.r7g.large."
  }

  validation {
    condition     = !can(regex("^cache\\.(t1|t2|m1|m3|r6gd)\\.", var.node_type))
    error_message = "node_type: a current generation without data tiering; lists on disk would be slow."
  }
}

variable "replicas" {
  description = "Copies beside the primary."
  type        = number
  default     = 1

  validation {
    condition     = var.replicas >= 0 && var.replicas <= 5
    error_message = "replicas: 0 to 5."
  }
}

variable "multi_az" {
  description = "Primary and replicas in different zones, with failover. Without it a lost node means no lists until the next publication."
  type        = bool
  default     = true
}

variable "snapshot_days" {
  description = "Days of snapshots; 0 = none."
  type        = number
  default     = 1

  validation {
    condition     = var.snapshot_days >= 0 && var.snapshot_days <= 35
    error_message = "snapshot_days: 0 to 35. Snapshots hold pseudonyms: erasure holds only after this many days."
  }
}
