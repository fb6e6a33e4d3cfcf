# For some hundred thousand shoppers: two zones, a standby of each store, nothing that `destroy` can take away.

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id]

  default_tags {
    tags = { Project = "nightshelf", Environment = "nightshelf-prod" }
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

  name               = "nightshelf-prod"
  protect            = true
  cidr               = "10.41.0.0/16"
  availability_zones = ["${var.region}a", "${var.region}b", "${var.region}c"]
  endpoint_zones     = 2
  log_retention_days = 90

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
  monthly_budget_usd  = 2500
  threads             = 4

  spark_max_vcpus = 64
  gpu_max_vcpus   = 16
  database        = { instance_class = "db.m7g.large", storage_gib = 50, multi_az = true, backup_days = 14 }
  cache           = { node_type = "cache.r7g.large", replicas = 1, multi_az = true, snapshot_days = 1 }
  airflow_sizes   = { scheduler = { cpu = 4096, memory_mib = 16384, disk_gib = 100 } }
  storefront      = { cpu = 1024, memory_mib = 2048, count = 2 }
}
