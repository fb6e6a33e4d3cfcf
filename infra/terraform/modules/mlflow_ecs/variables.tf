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

variable "client_security_group_ids" {
  description = "Security groups that may ask MLflow, by a name for people. MLflow itself asks nobody who they are."
  type        = map(string)
}

variable "cluster_arn" {
  description = "The ECS cluster."
  type        = string
}

variable "namespace_id" {
  description = "Cloud Map namespace."
  type        = string
}

variable "namespace_name" {
  description = "Its name."
  type        = string
}

variable "image_uri" {
  description = "The image nightshelf/airflow, which holds MLflow, with its tag or digest."
  type        = string
}

variable "models_bucket" {
  description = "Bucket of the models."
  type        = string
}

variable "database_url_secret_arn" {
  description = "Secret with MLflow's connection URL."
  type        = string
}

variable "task_role_arn" {
  description = "Role of the server."
  type        = string
}

variable "execution_role_arn" {
  description = "Role that starts it."
  type        = string
}

variable "cpu" {
  description = "CPU units."
  type        = number
  default     = 512
}

variable "memory_mib" {
  description = "Memory, MiB."
  type        = number
  default     = 2048

  validation {
    condition     = var.memory_mib >= 1024
    error_message = "memory_mib: at least 1024; a worker of MLflow takes about 700 MiB."
  }
}

variable "workers" {
  description = "Processes of the server."
  type        = number
  default     = 1

  validation {
    condition     = var.workers >= 1 && var.workers <= 8
    error_message = "workers: 1 to 8."
  }
}

variable "running" {
  description = "false keeps the service with none of it running."
  type        = bool
  default     = true
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
