variable "name" {
  description = "Prefix of all names, for example nightshelf-dev."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,24}$", var.name))
    error_message = "name: 3 to 25 characters, lower-case letters, digits and hyphens, a letter first."
  }
}

variable "deletion_window_days" {
  description = "Days between the order to delete a key and its end; what it encrypts is lost after that."
  type        = number
  default     = 30

  validation {
    condition     = var.deletion_window_days >= 7 && var.deletion_window_days <= 30
    error_message = "deletion_window_days: 7 to 30."
  }
}
