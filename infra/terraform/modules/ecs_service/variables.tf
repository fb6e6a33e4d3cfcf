variable "name" {
  description = "Prefix of all names, for example nightshelf-dev."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,24}$", var.name))
    error_message = "name: 3 to 25 characters, lower-case letters, digits and hyphens, a letter first."
  }
}

variable "role" {
  description = "What the container is: api-server, scheduler, mlflow, ... Its host name in the namespace, too."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.role))
    error_message = "role: lower-case letters, digits and hyphens."
  }
}

variable "cluster_arn" {
  description = "The ECS cluster; not needed by a task that is only run by hand."
  type        = string
  default     = null
}

variable "namespace_id" {
  description = "Cloud Map namespace in which a service with ports gets its name."
  type        = string
  default     = null
}

variable "image_uri" {
  description = "Image with its tag or digest."
  type        = string

  validation {
    condition     = can(regex("(:[A-Za-z0-9._-]+|@sha256:[0-9a-f]{64})$", var.image_uri)) && !endswith(var.image_uri, ":latest")
    error_message = "image_uri: with a tag other than latest, or a digest; a restart must not change the code."
  }
}

variable "command" {
  description = "What the container runs; null = the image's own command."
  type        = list(string)
  default     = null
}

variable "health_command" {
  description = "Exit code 0 = healthy; null = ECS looks only whether the process lives."
  type        = list(string)
  default     = null
}

variable "start_seconds" {
  description = "How long failed health checks are forgiven after the start."
  type        = number
  default     = 120

  validation {
    condition     = var.start_seconds >= 0 && var.start_seconds <= 300
    error_message = "start_seconds: 0 to 300 (ECS's own bound)."
  }
}

variable "stop_seconds" {
  description = "Seconds between SIGTERM and SIGKILL."
  type        = number
  default     = 30

  validation {
    condition     = var.stop_seconds >= 2 && var.stop_seconds <= 120
    error_message = "stop_seconds: 2 to 120 (Fargate's own bound)."
  }
}

variable "cpu" {
  description = "CPU units; 1024 = one vCPU."
  type        = number

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.cpu)
    error_message = "cpu: 256, 512, 1024, 2048, 4096, 8192 or 16384; Fargate takes no other."
  }
}

variable "memory_mib" {
  description = "Memory, MiB; Fargate wants 2 to 8 GiB a vCPU."
  type        = number

  validation {
    condition     = var.memory_mib >= var.cpu * 2 && var.memory_mib <= var.cpu * 8
    error_message = "memory_mib: between 2 and 8 MiB a CPU unit (2 to 8 GiB a vCPU), or Fargate refuses the task."
  }
}

variable "disk_gib" {
  description = "Disk of the task."
  type        = number
  default     = 30

  validation {
    condition     = var.disk_gib >= 21 && var.disk_gib <= 200
    error_message = "disk_gib: 21 to 200 (Fargate's own bounds)."
  }
}

variable "desired_count" {
  description = "How many run; 0 = no service, the task is run by hand."
  type        = number
  default     = 1

  validation {
    condition     = var.desired_count >= 0 && var.desired_count <= 20
    error_message = "desired_count: 0 to 20."
  }
}

variable "running" {
  description = "false keeps the service with none of it running."
  type        = bool
  default     = true
}

variable "one_at_a_time" {
  description = "Stop the old one before the new one starts (for what must not run twice)."
  type        = bool
  default     = false
}

variable "ports" {
  description = "Ports that the container listens on."
  type        = list(number)
  default     = []
}

variable "environment" {
  description = "Plain settings."
  type        = map(string)
  default     = {}
}

variable "secret_arns" {
  description = "Variables whose values ECS takes from Secrets Manager when the container starts."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for arn in values(var.secret_arns) : can(regex("^arn:aws[a-z-]*:secretsmanager:", arn))])
    error_message = "secret_arns: ARNs of Secrets Manager, not the secrets themselves."
  }
}

variable "task_role_arn" {
  description = "What the program may do."
  type        = string
}

variable "execution_role_arn" {
  description = "What ECS may do to start it."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets."
  type        = list(string)
  default     = []
}

variable "security_group_ids" {
  description = "Groups of its network interface."
  type        = list(string)
  default     = []
}

variable "state" {
  description = "File system that is mounted at `path`; null = none."
  type        = object({ file_system_id = string, access_point_id = string, path = string })
  default     = null
}

variable "logs_key_arn" {
  description = "KMS key of the log group."
  type        = string
}

variable "log_retention_days" {
  description = "How long its log is kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([7, 14, 30, 60, 90, 180, 365], var.log_retention_days)
    error_message = "log_retention_days: one of 7, 14, 30, 60, 90, 180, 365 (CloudWatch takes no other)."
  }
}
