variable "prefix" {
  description = "First part of the repositories' names: PREFIX/airflow, /spark, /training, /storefront. Two environments in one account need two."
  type        = string
  default     = "nightshelf"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,40}$", var.prefix))
    error_message = "prefix: lower-case letters, digits and hyphens, a letter first."
  }
}

variable "data_key_arn" {
  description = "KMS key of the layers."
  type        = string
}

variable "keep_images" {
  description = "Images kept a repository; the rest expire."
  type        = number
  default     = 20

  validation {
    condition     = var.keep_images >= 3 && var.keep_images <= 500
    error_message = "keep_images: 3 to 500; fewer than three leave no way back."
  }
}

variable "force_destroy" {
  description = "Whether `terraform destroy` may delete repositories that hold images."
  type        = bool
  default     = false
}
