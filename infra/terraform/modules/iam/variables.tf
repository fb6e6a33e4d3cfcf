variable "name" {
  description = "Prefix of all names, for example nightshelf-dev."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,24}$", var.name))
    error_message = "name: 3 to 25 characters, lower-case letters, digits and hyphens, a letter first."
  }
}

variable "bucket_arns" {
  description = "ARNs of the buckets lake, deliveries, models and logs."
  type        = map(string)

  validation {
    condition     = length(setsubtract(["lake", "deliveries", "models", "logs"], keys(var.bucket_arns))) == 0
    error_message = "bucket_arns: needs lake, deliveries, models and logs."
  }

  # A path or a wildcard would quietly widen every policy.
  validation {
    condition     = alltrue([for arn in values(var.bucket_arns) : !can(regex("[*?/]", arn))])
    error_message = "bucket_arns: whole bucket ARNs, without a path and without wildcards."
  }
}

variable "key_arns" {
  description = "ARNs of the KMS keys data and secrets."
  type        = map(string)

  validation {
    condition     = length(setsubtract(["data", "secrets"], keys(var.key_arns))) == 0
    error_message = "key_arns: needs data and secrets."
  }
}

variable "secret_arns" {
  description = "ARNs of the secrets; user_key is the one that a job reads by itself."
  type        = map(string)

  validation {
    condition     = contains(keys(var.secret_arns), "user_key")
    error_message = "secret_arns: needs user_key."
  }
}

variable "execution_secret_arns" {
  description = "Secrets that ECS hands to the containers of airflow, jobs, migrate, mlflow and storefront."
  type        = map(list(string))
  default     = {}

  validation {
    condition     = alltrue([for arn in flatten(values(var.execution_secret_arns)) : !strcontains(arn, "*")])
    error_message = "execution_secret_arns: no wildcards."
  }
}

variable "repository_arns" {
  description = "ARNs of the ECR repositories airflow, storefront and training."
  type        = map(string)

  validation {
    condition     = length(setsubtract(["airflow", "storefront", "training"], keys(var.repository_arns))) == 0
    error_message = "repository_arns: needs airflow, storefront and training."
  }
}

variable "cache_arn" {
  description = "ARN of the ElastiCache replication group."
  type        = string
}

variable "cache_user_arns" {
  description = "ARNs of the ElastiCache users writer and reader."
  type        = map(string)

  validation {
    condition     = length(setsubtract(["writer", "reader"], keys(var.cache_user_arns))) == 0
    error_message = "cache_user_arns: needs writer and reader."
  }
}

variable "emr_application_arn" {
  description = "ARN of the EMR Serverless application."
  type        = string
}

variable "training_log_group_arn" {
  description = "Log group of Batch's training jobs, without the final :*."
  type        = string
}

variable "task_log_group_arn" {
  description = "Log group of Airflow's tasks, without the final :*."
  type        = string
}

variable "state_file_system_arn" {
  description = "File system that holds VAR."
  type        = string
}

variable "state_access_point_arn" {
  description = "Access point through which, and only through which, VAR is mounted."
  type        = string
}

variable "local_jobs" {
  description = "Further jobs that run in the scheduler's container, whose policies it then needs: spark, training."
  type        = set(string)
  default     = []

  validation {
    condition     = length(setsubtract(var.local_jobs, ["spark", "training"])) == 0
    error_message = "local_jobs: spark, training, both or none."
  }
}

variable "permissions_boundary_arn" {
  description = "Upper bound of all roles, where the organisation asks for one."
  type        = string
  default     = null
}
