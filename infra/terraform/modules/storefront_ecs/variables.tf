variable "name" {
  description = "Prefix of all names, for example nightshelf-dev."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,24}$", var.name))
    error_message = "name: 3 to 25 characters, lower-case letters, digits and hyphens, a letter first."
  }
}

variable "region" {
  description = "AWS region."
  type        = string
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "vpc_cidr" {
  description = "Its address range."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets."
  type        = list(string)
}

variable "s3_prefix_list_id" {
  description = "Addresses of S3."
  type        = string
}

variable "client_cidrs" {
  description = "Address ranges of the shop's servers. The service asks nobody who they are."
  type        = list(string)

  validation {
    condition     = alltrue([for cidr in var.client_cidrs : can(cidrhost(cidr, 0)) && try(tonumber(split("/", cidr)[1]) >= 8, false)])
    error_message = "client_cidrs: IPv4 ranges of /8 or smaller; the service is not for the internet."
  }
}

variable "cluster_arn" {
  description = "The ECS cluster."
  type        = string
}

variable "namespace_id" {
  description = "Cloud Map namespace."
  type        = string
}

variable "image_uri" {
  description = "The image nightshelf/storefront with its tag or digest."
  type        = string
}

variable "redis_url" {
  description = "REDIS_URL of the reader."
  type        = string

  validation {
    condition     = startswith(var.redis_url, "rediss://") || startswith(var.redis_url, "rediss+cluster://")
    error_message = "redis_url: with TLS, rediss:// or rediss+cluster://."
  }
}

variable "user_key_secret_arn" {
  description = "Secret with the key of the pseudonyms."
  type        = string
}

variable "task_role_arn" {
  description = "Role of the service."
  type        = string
}

variable "execution_role_arn" {
  description = "Role that starts it."
  type        = string
}

variable "cpu" {
  description = "CPU units; a worker a vCPU."
  type        = number
  default     = 512
}

variable "memory_mib" {
  description = "Memory, MiB."
  type        = number
  default     = 1024
}

variable "desired_count" {
  description = "How many run; two at least survive the loss of one."
  type        = number
  default     = 2

  validation {
    condition     = var.desired_count >= 1 && var.desired_count <= 20
    error_message = "desired_count: 1 to 20."
  }
}

variable "running" {
  description = "false keeps the service with none of it running."
  type        = bool
  default     = true
}

variable "max_age_seconds" {
  description = "Answers from older lists say that they are stale."
  type        = number
  default     = 129600

  validation {
    condition     = var.max_age_seconds >= 3600
    error_message = "max_age_seconds: at least 3600; lists are made once a day."
  }
}

variable "keep_segments" {
  description = "Segments' lists remembered, to be shown while Valkey is away; 0 = none."
  type        = number
  default     = 200

  validation {
    condition     = var.keep_segments >= 0 && var.keep_segments <= 100000
    error_message = "keep_segments: 0 to 100000."
  }
}

variable "logs_key_arn" {
  description = "KMS key of the logs."
  type        = string
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
  default     = 30
}
