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
  description = "Private subnets; more zones find GPUs sooner."
  type        = list(string)
}

variable "s3_prefix_list_id" {
  description = "Addresses of S3."
  type        = string
}

variable "data_key_arn" {
  description = "KMS key of the disks."
  type        = string
}

variable "logs_key_arn" {
  description = "KMS key of the logs."
  type        = string
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
  default     = 90
}

variable "instance_profile_arn" {
  description = "Instance profile of the GPU instances."
  type        = string
}

variable "job_role_arn" {
  description = "Role of the training itself."
  type        = string
}

variable "execution_role_arn" {
  description = "Role that pulls the image."
  type        = string
}

variable "image_uri" {
  description = "The image nightshelf/training with its tag or digest."
  type        = string

  validation {
    condition     = can(regex("(:[A-Za-z0-9._-]+|@sha256:[0-9a-f]{64})$", var.image_uri)) && !endswith(var.image_uri, ":latest")
    error_message = "image_uri: with a tag other than latest, or a digest; what trained must be found again."
  }
}

variable "instance_types" {
  description = "GPU instances that Batch may choose from: one GPU of 24 GB each, or more."
  type        = list(string)
  default     = ["g6.xlarge", "g6.2xlarge", "g5.xlarge", "g5.2xlarge"]

  validation {
    condition     = length(var.instance_types) > 0 && alltrue([for type in var.instance_types : can(regex("^(g5|g6|g6e)\\.[0-9]*x?large$", type))])
    error_message = "instance_types: of the families g5, g6 and g6e only; the image is built for their GPUs."
  }
}

variable "max_vcpus" {
  description = "Upper bound of vCPUs of each market: the bound of what trainings can cost."
  type        = number
  default     = 8

  validation {
    condition     = var.max_vcpus >= 4 && var.max_vcpus <= 256
    error_message = "max_vcpus: 4 (one instance) to 256."
  }
}

variable "job_vcpus" {
  description = "vCPUs of a training."
  type        = number
  default     = 4

  validation {
    condition     = var.job_vcpus >= 1 && var.job_vcpus <= var.max_vcpus
    error_message = "job_vcpus: at least 1 and at most max_vcpus, or the job never starts."
  }
}

variable "job_memory_mib" {
  description = "Memory of a training, MiB; a g5.xlarge has 16 GiB, of which ECS keeps some."
  type        = number
  default     = 14336

  validation {
    condition     = var.job_memory_mib >= 4096
    error_message = "job_memory_mib: at least 4096."
  }
}

variable "disk_gib" {
  description = "Disk of an instance: image, packages and the training's tables."
  type        = number
  default     = 100

  validation {
    condition     = var.disk_gib >= 50 && var.disk_gib <= 2000
    error_message = "disk_gib: 50 to 2000; the image with CUDA takes about 20."
  }
}

variable "timeout_seconds" {
  description = "When a training is ended; Airflow's limit is 6 h."
  type        = number
  default     = 21600

  validation {
    condition     = var.timeout_seconds >= 600 && var.timeout_seconds <= 86400
    error_message = "timeout_seconds: 600 to 86400."
  }
}

variable "capacity_wait_seconds" {
  description = "How long a job may wait for an instance before it is cancelled."
  type        = number
  default     = 3600

  validation {
    condition     = var.capacity_wait_seconds >= 600 && var.capacity_wait_seconds <= 86400
    error_message = "capacity_wait_seconds: 600 to 86400 (Batch's own bounds)."
  }
}

variable "environment" {
  description = "Settings of the training (LAKE_ROOT, MLFLOW_TRACKING_URI, ...). No secrets: a job definition can be read by many."
  type        = map(string)

  validation {
    condition     = alltrue([for name in keys(var.environment) : !can(regex("(KEY|PASSWORD|SECRET|TOKEN)$", name))])
    error_message = "environment: no names that end in KEY, PASSWORD, SECRET or TOKEN."
  }
}
