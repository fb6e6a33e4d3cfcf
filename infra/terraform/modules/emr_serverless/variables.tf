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
  description = "Private subnets, in two zones at least."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids: two at least; a zone may have no capacity left."
  }
}

variable "s3_prefix_list_id" {
  description = "Addresses of S3."
  type        = string
}

variable "release_label" {
  description = "EMR release. emr-spark-8.0.0 carries Spark 4.0.2 with Delta 4.0.0; the project develops against a newer 4.x, see the README."
  type        = string
  default     = "emr-spark-8.0.0"

  validation {
    condition     = can(regex("^emr-spark-[89]\\.[0-9]+\\.[0-9]+$", var.release_label))
    error_message = "release_label: emr-spark-8.0.0 or newer; emr-7.x carries Spark 3.5, on which the jobs do not run."
  }
}

variable "image_uri" {
  description = "Image with our code and its Python, derived from EMR's base image of the same release; null = EMR's own (only for a first `apply`, no job runs on it)."
  type        = string
  default     = null

  validation {
    condition     = var.image_uri == null ? true : can(regex("^[0-9]{12}\\.dkr\\.ecr\\.[a-z0-9-]+\\.amazonaws\\.com(\\.cn)?/[a-z0-9/_-]+(:[A-Za-z0-9._-]+|@sha256:[0-9a-f]{64})$", var.image_uri)) && !endswith(coalesce(var.image_uri, "-"), ":latest")
    error_message = "image_uri: an image of ECR with a tag other than latest, or with a digest (EMR Serverless pulls from ECR only)."
  }
}

variable "max_vcpus" {
  description = "Upper bound of vCPUs of all jobs at once: the bound of what a runaway job costs."
  type        = number
  default     = 32

  validation {
    condition     = var.max_vcpus >= 4 && var.max_vcpus <= 4000
    error_message = "max_vcpus: 4 to 4000."
  }
}

variable "max_memory_gib" {
  description = "Upper bound of memory of all jobs at once."
  type        = number
  default     = 128

  validation {
    condition     = var.max_memory_gib >= 16
    error_message = "max_memory_gib: at least 16; one driver with one worker takes that."
  }
}

variable "max_disk_gib" {
  description = "Upper bound of shuffle disk of all jobs at once."
  type        = number
  default     = 400

  validation {
    condition     = var.max_disk_gib >= 40
    error_message = "max_disk_gib: at least 40; each worker takes 20."
  }
}

variable "idle_minutes" {
  description = "Minutes without a job after which the application stops."
  type        = number
  default     = 5

  validation {
    condition     = var.idle_minutes >= 1 && var.idle_minutes <= 60
    error_message = "idle_minutes: 1 to 60."
  }
}
