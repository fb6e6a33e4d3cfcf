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
    error_message = "subnet_ids: two at least; RDS wants two zones."
  }
}

variable "client_security_group_ids" {
  description = "Security groups that may connect, by a name for people."
  type        = map(string)
}

variable "data_key_arn" {
  description = "KMS key of the storage."
  type        = string
}

variable "secrets_key_arn" {
  description = "KMS key of the connection secrets."
  type        = string
}

variable "passwords" {
  description = "Passwords of master, airflow and mlflow as they stand in Secrets Manager; letters and digits."
  type        = map(string)
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = length(setsubtract(["master", "airflow", "mlflow"], keys(var.passwords))) == 0
    error_message = "passwords: needs master, airflow and mlflow."
  }

  validation {
    condition     = alltrue([for password in values(var.passwords) : can(regex("^[A-Za-z0-9]{16,128}$", password))])
    error_message = "passwords: 16 to 128 letters and digits each; they stand in URLs."
  }
}

variable "password_version" {
  description = "Raise it together with the secret's version to give the instance the new master password."
  type        = number
  default     = 1
}

variable "url_version" {
  description = "Raise it when a password or the address changed, so that the connection secrets are written again."
  type        = number
  default     = 1
}

variable "engine_version" {
  description = "PostgreSQL version."
  type        = string
  default     = "17.5"

  validation {
    condition     = can(regex("^(16|17|18)\\.[0-9]+$", var.engine_version))
    error_message = "engine_version: 16.x, 17.x or 18.x with its minor number, for example 17.5."
  }
}

variable "instance_class" {
  description = "Size of the instance."
  type        = string
  default     = "db.t4g.small"

  validation {
    condition     = can(regex("^db\\.[a-z0-9]+\\.[a-z0-9]+$", var.instance_class))
    error_message = "instance_class: for example db.t4g.small."
  }
}

variable "storage_gib" {
  description = "Disk at the start, GiB; it may grow to four times that."
  type        = number
  default     = 20

  validation {
    condition     = var.storage_gib >= 20 && var.storage_gib <= 2000
    error_message = "storage_gib: 20 to 2000."
  }
}

variable "multi_az" {
  description = "A standby in another zone."
  type        = bool
  default     = false
}

variable "backup_days" {
  description = "Days of backups."
  type        = number
  default     = 7

  validation {
    condition     = var.backup_days >= 1 && var.backup_days <= 35
    error_message = "backup_days: 1 to 35."
  }
}

variable "deletion_protection" {
  description = "Refuse `terraform destroy`, and keep a last snapshot."
  type        = bool
  default     = true
}

variable "recovery_window_days" {
  description = "Days in which a deleted connection secret can be brought back."
  type        = number
  default     = 30
}
