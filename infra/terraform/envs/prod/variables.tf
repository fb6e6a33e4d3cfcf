variable "region" {
  description = "AWS region."
  type        = string
  default     = "eu-west-1"

  validation {
    condition     = can(regex("^[a-z]{2}-[a-z]+-[0-9]$", var.region))
    error_message = "region: for example eu-west-1."
  }
}

variable "account_id" {
  description = "Account that this environment lives in; Terraform refuses to work in any other."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id: twelve digits."
  }
}

variable "image_tag" {
  description = "Tag of all images: the version that runs."
  type        = string
}

variable "spark_image" {
  description = "false for the very first apply, when no image has been pushed yet."
  type        = bool
  default     = true
}

variable "services_running" {
  description = "false for the very first apply and before migrations: everything is made, no service runs, and tasks by hand can."
  type        = bool
  default     = true
}

variable "source_yaml" {
  description = "The shop's mapping inside the images."
  type        = string
  default     = "sources/demo_shop.yaml"
}

variable "delivery_principals" {
  description = "ARNs of the shop's roles that may deliver."
  type        = list(string)
  default     = []
}

variable "ui_cidrs" {
  description = "Address ranges from which people open Airflow's pages."
  type        = list(string)
  default     = []
}

variable "alarm_emails" {
  description = "Who is told of alarms."
  type        = list(string)
  default     = []
}

variable "secret_versions" {
  description = "Raise a secret's number to have a new one drawn."
  type        = map(number)
  default     = {}
}

variable "settings" {
  description = "Further settings of lake/settings.py."
  type        = map(string)
  default     = {}
}
