variable "name" {
  description = "Prefix of all names, for example nightshelf-dev."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,24}$", var.name))
    error_message = "name: 3 to 25 characters, lower-case letters, digits and hyphens, a letter first."
  }
}

variable "secrets_key_arn" {
  description = "KMS key of the secrets."
  type        = string
}

variable "values" {
  description = "The secrets themselves, letters and digits (they stand in URLs and JSON); airflow_fernet: 32 bytes in URL-safe base 64. Used where a version is new."
  type        = map(string)
  ephemeral   = true
  sensitive   = true

  validation {
    condition = length(setsubtract([
      "user_key", "airflow_api", "airflow_jwt", "airflow_fernet", "airflow_admin", "database_master", "database_airflow", "database_mlflow",
    ], keys(var.values))) == 0
    error_message = "values: needs user_key, airflow_api, airflow_jwt, airflow_fernet, airflow_admin, database_master, database_airflow and database_mlflow."
  }

  validation {
    condition     = alltrue([for name, value in var.values : can(regex("^[A-Za-z0-9]{16,128}$", value)) if name != "airflow_fernet"])
    error_message = "values: 16 to 128 letters and digits each."
  }

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{43}=$", var.values["airflow_fernet"]))
    error_message = "values: airflow_fernet must be 32 bytes in URL-safe base 64, 44 characters."
  }
}

variable "recovery_window_days" {
  description = "Days in which a deleted secret can be brought back; 0 deletes at once (its name is free again)."
  type        = number
  default     = 30

  validation {
    condition     = var.recovery_window_days == 0 || (var.recovery_window_days >= 7 && var.recovery_window_days <= 30)
    error_message = "recovery_window_days: 0, or 7 to 30."
  }
}

variable "versions" {
  description = "Raise a secret's number to have a new one drawn, for example { airflow_jwt = 2 }. Never user_key, unless all shoppers shall become strangers."
  type        = map(number)
  default     = {}

  validation {
    condition = length(setsubtract(keys(var.versions), [
      "user_key", "airflow_api", "airflow_jwt", "airflow_fernet", "airflow_admin", "database_master", "database_airflow", "database_mlflow",
    ])) == 0
    error_message = "versions: names only user_key, airflow_api, airflow_jwt, airflow_fernet, airflow_admin, database_master, database_airflow and database_mlflow."
  }

  validation {
    condition     = alltrue([for number in values(var.versions) : number >= 1 && floor(number) == number])
    error_message = "versions: whole numbers from 1."
  }
}
