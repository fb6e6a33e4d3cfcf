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

variable "ui_cidrs" {
  description = "Address ranges from which people open Airflow's pages: a VPN or an office line. Never the whole internet."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.ui_cidrs : can(cidrhost(cidr, 0)) && try(tonumber(split("/", cidr)[1]) >= 8, false)])
    error_message = "ui_cidrs: IPv4 ranges of /8 or smaller."
  }
}

variable "namespace_id" {
  description = "Cloud Map namespace of the services."
  type        = string
}

variable "namespace_name" {
  description = "Its name, the end of the services' host names."
  type        = string
}

variable "image_uri" {
  description = "The image nightshelf/airflow with its tag or digest."
  type        = string
}

variable "uid" {
  description = "User (and group) number in the image, who owns VAR."
  type        = number
  default     = 10001
}

variable "sizes" {
  description = "CPU units, MiB and GiB of disk of each service. The scheduler runs all tasks that go nowhere else: landing, lists, publication."
  type = object({
    api_server    = optional(object({ cpu = number, memory_mib = number, disk_gib = number }), { cpu = 1024, memory_mib = 3072, disk_gib = 21 })
    scheduler     = optional(object({ cpu = number, memory_mib = number, disk_gib = number }), { cpu = 2048, memory_mib = 8192, disk_gib = 50 })
    dag_processor = optional(object({ cpu = number, memory_mib = number, disk_gib = number }), { cpu = 512, memory_mib = 2048, disk_gib = 21 })
    triggerer     = optional(object({ cpu = number, memory_mib = number, disk_gib = number }), { cpu = 512, memory_mib = 2048, disk_gib = 21 })
  })
  default = {}

  validation {
    condition     = alltrue([for size in values(var.sizes) : size.memory_mib >= 2048])
    error_message = "sizes: no part of Airflow lives in less than 2048 MiB."
  }
}

variable "services_running" {
  description = "false keeps the services with none of them running; tasks by hand still run."
  type        = bool
  default     = true
}

variable "parallelism" {
  description = "Tasks that run at once."
  type        = number
  default     = 4

  validation {
    condition     = var.parallelism >= 2 && var.parallelism <= 32
    error_message = "parallelism: 2 to 32; with one, monitoring would wait for the training that it started."
  }
}

variable "pipeline_environment" {
  description = "Settings of the jobs (lake/settings.py) and of the compute targets."
  type        = map(string)

  validation {
    condition     = length(setsubtract(["LAKE_ROOT", "DATA", "SOURCE", "REDIS_URL", "MLFLOW_TRACKING_URI", "COMPUTE", "COMPUTE_TRAINING"], keys(var.pipeline_environment))) == 0
    error_message = "pipeline_environment: needs LAKE_ROOT, DATA, SOURCE, REDIS_URL, MLFLOW_TRACKING_URI, COMPUTE and COMPUTE_TRAINING."
  }

  validation {
    condition     = contains(["local", "spark-submit", "emr-serverless"], lookup(var.pipeline_environment, "COMPUTE", "")) && contains(["local", "batch-gpu"], lookup(var.pipeline_environment, "COMPUTE_TRAINING", ""))
    error_message = "pipeline_environment: COMPUTE is local, spark-submit or emr-serverless; COMPUTE_TRAINING is local or batch-gpu."
  }
}

variable "database_host" {
  description = "Where PostgreSQL answers."
  type        = string
}

variable "database_url_secret_arn" {
  description = "Secret with Airflow's connection URL."
  type        = string
}

variable "secret_arns" {
  description = "ARNs of the secrets of the module `secrets`."
  type        = map(string)
}

variable "role_arns" {
  description = "Task roles: api_server, scheduler, dag_processor, triggerer, land, lists."
  type        = map(string)
}

variable "execution_role_arns" {
  description = "Execution roles: airflow, jobs, migrate."
  type        = map(string)
}

variable "data_key_arn" {
  description = "KMS key of the file system."
  type        = string
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
