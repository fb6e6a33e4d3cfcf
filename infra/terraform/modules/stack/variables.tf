variable "name" {
  description = "Prefix of all names, for example nightshelf-dev."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,24}$", var.name))
    error_message = "name: 3 to 25 characters, lower-case letters, digits and hyphens, a letter first."
  }
}

variable "cidr" {
  description = "Address range of the VPC."
  type        = string
  default     = "10.40.0.0/16"
}

variable "availability_zones" {
  description = "Zones to spread over."
  type        = list(string)
}

variable "nat" {
  description = "Way to the internet: none, one or per_zone. Nightshelf needs none."
  type        = string
  default     = "none"
}

variable "endpoint_zones" {
  description = "In how many zones each interface endpoint stands."
  type        = number
  default     = 2
}

variable "protect" {
  description = "Production's habits: nothing that holds data can be destroyed by `terraform destroy`."
  type        = bool
}

variable "noncurrent_days" {
  description = "Days until erased objects are gone for good."
  type        = number
  default     = 7
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
  default     = 30
}

variable "delivery_principals" {
  description = "The shop's roles that may deliver."
  type        = list(string)
  default     = []
}

variable "shop_cidrs" {
  description = "Further address ranges from which the storefront may be asked; the VPC's own may always."
  type        = list(string)
  default     = []
}

variable "ui_cidrs" {
  description = "Address ranges from which people open Airflow's pages."
  type        = list(string)
  default     = []
}

variable "permissions_boundary_arn" {
  description = "Upper bound of all roles, where the organisation asks for one."
  type        = string
  default     = null
}

variable "image_prefix" {
  description = "First part of the repositories' names."
  type        = string
  default     = "nightshelf"
}

variable "image_tag" {
  description = "Tag of all images: the version that runs. A new one is a deployment, the one before it the way back."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "image_tag: a tag that is never moved, for example 0.5.0 or a commit; not latest."
  }
}

variable "spark_image" {
  description = "Whether EMR runs our image. false for the very first apply, when the repository is still empty."
  type        = bool
  default     = true
}

variable "services_running" {
  description = "Whether services run. false for the very first apply and before migrations: everything is made, no service runs, and tasks by hand can."
  type        = bool
  default     = true
}

variable "secret_values" {
  description = "Values of all secrets, used where a version is new (modules/secrets/drawn)."
  type        = map(string)
  ephemeral   = true
  sensitive   = true
}

variable "database_passwords" {
  description = "Passwords of master, airflow and mlflow as the secrets of `password_secret_arns` hold them (modules/secrets/stored)."
  type        = map(string)
  ephemeral   = true
  sensitive   = true
}

variable "secret_versions" {
  description = "Raise a secret's number to have a new one drawn."
  type        = map(number)
  default     = {}
}

variable "source_yaml" {
  description = "SOURCE: the shop's mapping, a file inside the images."
  type        = string

  validation {
    condition     = can(regex("^sources/[a-z0-9_]+\\.yaml$", var.source_yaml))
    error_message = "source_yaml: a file of the images, for example sources/online_retail.yaml."
  }
}

variable "pseudonymise" {
  description = "PSEUDONYMISE: false keeps the shop's user ids in lake and lists."
  type        = bool
  default     = true
}

variable "threads" {
  description = "THREADS: threads of one training or scoring process."
  type        = number
  default     = 2
}

variable "settings" {
  description = "Any other setting of lake/settings.py by its variable's name. No secrets."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.settings) : can(regex("^[A-Z][A-Z0-9_]*$", name)) && !can(regex("(KEY|PASSWORD|SECRET|TOKEN)$", name))])
    error_message = "settings: variables in capitals, and none that ends in KEY, PASSWORD, SECRET or TOKEN."
  }

  # Where jobs.lists runs, found as dags/compute.py finds it. COMPUTE may be among the settings, and they win.
  validation {
    condition = try(
      jsondecode(var.settings["COMPUTE_JOBS"])["jobs.lists"],
      lookup(var.settings, "SCORING", "local") == "spark" ? lookup(var.settings, "COMPUTE", var.compute) : "local",
    ) != "emr-serverless"
    error_message = "settings: jobs.lists would run on EMR Serverless, whose role may not write lists and whose workers do not reach MLflow; leave out SCORING=spark, or give COMPUTE_JOBS with jobs.lists on local."
  }
}

variable "compute" {
  description = "COMPUTE: where Spark jobs run."
  type        = string
  default     = "emr-serverless"

  validation {
    condition     = contains(["local", "emr-serverless"], var.compute)
    error_message = "compute: local (in the scheduler's container) or emr-serverless."
  }
}

variable "compute_training" {
  description = "COMPUTE_TRAINING: where training runs."
  type        = string
  default     = "batch-gpu"

  validation {
    condition     = contains(["local", "batch-gpu"], var.compute_training)
    error_message = "compute_training: local (in the scheduler's container) or batch-gpu."
  }
}

variable "spark_max_vcpus" {
  description = "Upper bound of Spark's vCPUs; memory is four GiB and disk 20 GiB for each."
  type        = number
  default     = 32
}

variable "gpu_instance_types" {
  description = "GPU instances that trainings may use."
  type        = list(string)
  default     = ["g6.xlarge", "g6.2xlarge", "g5.xlarge", "g5.2xlarge"]
}

variable "gpu_max_vcpus" {
  description = "Upper bound of vCPUs of each market."
  type        = number
  default     = 8
}

variable "database" {
  description = "Size of PostgreSQL."
  type = object({
    instance_class = string
    storage_gib    = number
    multi_az       = bool
    backup_days    = number
  })
}

variable "cache" {
  description = "Size of the lists' store."
  type = object({
    node_type     = string
    replicas      = number
    multi_az      = bool
    snapshot_days = number
  })
}

variable "airflow_sizes" {
  description = "Sizes of Airflow's services."
  type = object({
    api_server    = optional(object({ cpu = number, memory_mib = number, disk_gib = number }))
    scheduler     = optional(object({ cpu = number, memory_mib = number, disk_gib = number }))
    dag_processor = optional(object({ cpu = number, memory_mib = number, disk_gib = number }))
    triggerer     = optional(object({ cpu = number, memory_mib = number, disk_gib = number }))
  })
  default = {}
}

variable "storefront" {
  description = "Size and number of storefront tasks."
  type        = object({ cpu = number, memory_mib = number, count = number })
}

variable "alarm_emails" {
  description = "Who is told of alarms."
  type        = list(string)
  default     = []
}

variable "monthly_budget_usd" {
  description = "Budget of a month, US dollars."
  type        = number
}
