# Small and quickly gone: one of everything, one zone's endpoints, nothing protected.

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id]

  default_tags {
    tags = { Project = "nightshelf", Environment = "nightshelf-dev" }
  }
}

# Drawn by the provider, written to Secrets Manager, read back for the database; never in plan or state.
module "drawn" {
  source = "../../modules/secrets/drawn"
}

module "stored" {
  source = "../../modules/secrets/stored"
  arns   = module.nightshelf.password_secret_arns
}

module "nightshelf" {
  source = "../../modules/stack"

  name               = "nightshelf-dev"
  protect            = false
  cidr               = "10.40.0.0/16"
  availability_zones = ["${var.region}a", "${var.region}b"]
  endpoint_zones     = 1
  log_retention_days = 7

  image_tag           = var.image_tag
  spark_image         = var.spark_image
  services_running    = var.services_running
  source_yaml         = var.source_yaml
  settings            = var.settings
  secret_versions     = var.secret_versions
  secret_values       = module.drawn.values
  database_passwords  = module.stored.values
  delivery_principals = var.delivery_principals
  ui_cidrs            = var.ui_cidrs
  alarm_emails        = var.alarm_emails
  monthly_budget_usd  = 600

  spark_max_vcpus = 16
  gpu_max_vcpus   = 4
  database        = { instance_class = "db.t4g.small", storage_gib = 20, multi_az = false, backup_days = 1 }
  cache           = { node_type = "cache.t4g.small", replicas = 0, multi_az = false, snapshot_days = 0 }
  airflow_sizes   = { scheduler = { cpu = 2048, memory_mib = 8192, disk_gib = 30 } }
  storefront      = { cpu = 256, memory_mib = 512, count = 1 }
}
