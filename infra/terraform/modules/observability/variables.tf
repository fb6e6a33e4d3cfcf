variable "name" {
  description = "Prefix of all names, for example nightshelf-dev."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,24}$", var.name))
    error_message = "name: 3 to 25 characters, lower-case letters, digits and hyphens, a letter first."
  }
}

variable "logs_key_arn" {
  description = "KMS key of the topic."
  type        = string
}

variable "emails" {
  description = "Who is told. Each must confirm the subscription once."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for email in var.emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[a-z]+$", email))])
    error_message = "emails: addresses like night@example.com."
  }
}

variable "task_log_group_name" {
  description = "Log group of Airflow's tasks."
  type        = string
}

variable "max_hours_without_lists" {
  description = "Hours without a publication after which somebody is told. A night is late when the delivery was."
  type        = number
  default     = 30

  validation {
    condition     = var.max_hours_without_lists >= 25 && var.max_hours_without_lists <= 168
    error_message = "max_hours_without_lists: 25 (a night and an hour) to 168 (CloudWatch looks back no further)."
  }
}

variable "cache_nodes" {
  description = "Nodes of the lists' store."
  type        = list(string)
}

variable "database_identifier" {
  description = "The RDS instance."
  type        = string
}

variable "cluster_name" {
  description = "The ECS cluster."
  type        = string
}

variable "services" {
  description = "ECS services, and how many of each must run."
  type        = map(number)

  validation {
    condition     = alltrue([for count in values(var.services) : count >= 1])
    error_message = "services: at least one of each."
  }
}

variable "emr_application_id" {
  description = "The EMR Serverless application."
  type        = string
}

variable "batch_queue_arns" {
  description = "Batch's queues."
  type        = list(string)
}

variable "monthly_budget_usd" {
  description = "Budget of a month, US dollars. Somebody is told at 80 % spent and when 100 % is forecast; nothing is stopped."
  type        = number

  validation {
    condition     = var.monthly_budget_usd >= 10
    error_message = "monthly_budget_usd: at least 10."
  }
}
