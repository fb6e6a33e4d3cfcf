variable "name" {
  description = "Prefix of all names, for example nightshelf-dev."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,24}$", var.name))
    error_message = "name: 3 to 25 characters, lower-case letters, digits and hyphens, a letter first."
  }
}

variable "data_key_arn" {
  description = "KMS key of the objects."
  type        = string
}

variable "noncurrent_days" {
  description = "Days after which overwritten and deleted objects are gone for good. Erasure is complete after this many."
  type        = number
  default     = 7

  validation {
    condition     = var.noncurrent_days >= 1 && var.noncurrent_days <= 30
    error_message = "noncurrent_days: 1 to 30; a person's erasure must not wait longer than a month."
  }
}

variable "abort_uploads_days" {
  description = "Days after which parts of an unfinished upload are removed; until then they cost without being seen."
  type        = number
  default     = 3

  validation {
    condition     = var.abort_uploads_days >= 1 && var.abort_uploads_days <= 14
    error_message = "abort_uploads_days: 1 to 14."
  }
}

variable "deliveries_retention_days" {
  description = "Days that the shop's files stay in the deliveries bucket (their copies stay in the lake); 0 = for ever."
  type        = number
  default     = 30

  validation {
    condition     = var.deliveries_retention_days == 0 || var.deliveries_retention_days >= 7
    error_message = "deliveries_retention_days: 0, or at least 7; a late night must still find its delivery."
  }
}

variable "logs_retention_days" {
  description = "Days that Spark's logs and S3's access logs are kept."
  type        = number
  default     = 90

  validation {
    condition     = var.logs_retention_days >= 7 && var.logs_retention_days <= 3650
    error_message = "logs_retention_days: 7 to 3650."
  }
}

variable "delivery_principals" {
  description = "ARNs of the shop's roles that may put files into the deliveries bucket, and nothing else."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.delivery_principals : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/.+", arn))])
    error_message = "delivery_principals: ARNs of roles or users; never * or a whole account."
  }
}

variable "force_destroy" {
  description = "Whether `terraform destroy` may delete buckets that hold objects. Never in production."
  type        = bool
  default     = false
}
