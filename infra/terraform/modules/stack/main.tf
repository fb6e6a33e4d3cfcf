# All of Nightshelf in one account and region. Environments (envs/) choose sizes; this wires.

data "aws_region" "current" {}

locals {
  region    = data.aws_region.current.name
  namespace = "${var.name}.internal"
  mlflow    = "http://mlflow.${local.namespace}:5000"

  images = {
    for name in ["airflow", "storefront", "training"] : name => "${module.ecr.urls[name]}:${var.image_tag}"
  }
  spark_image = var.spark_image ? "${module.ecr.urls["spark"]}:${var.image_tag}" : null

  no_telemetry = {
    MLFLOW_DISABLE_TELEMETRY = "true"
    GX_ANALYTICS_ENABLED     = "false"
    SCARF_ANALYTICS          = "false"
    SCARF_NO_ANALYTICS       = "true"
    DO_NOT_TRACK             = "true"
  }

  # lake/settings.py: what every job is told.
  jobs = merge(local.no_telemetry, {
    LAKE_ROOT            = module.data_lake.lake_root
    DATA                 = module.data_lake.deliveries_root
    SOURCE               = var.source_yaml
    SURFACES             = "surfaces"
    S3_REGION            = local.region
    AWS_REGION           = local.region
    AWS_DEFAULT_REGION   = local.region
    PSEUDONYMISE         = tostring(var.pseudonymise)
    MLFLOW_TRACKING_URI  = local.mlflow
    TF_USE_LEGACY_KERAS  = "1"
    TF_CPP_MIN_LOG_LEVEL = "2"
    THREADS              = tostring(var.threads)
  }, var.settings)

  # Services, and how many of each should run.
  services = merge(module.airflow_ecs.desired_counts, {
    mlflow     = module.mlflow_ecs.desired_count
    storefront = module.storefront_ecs.desired_count
  })

  # Where Airflow's tasks run (docs/compute.md).
  targets = {
    COMPUTE                = var.compute
    COMPUTE_TRAINING       = var.compute_training
    EMR_APPLICATION_ID     = module.emr_serverless.application_id
    EMR_EXECUTION_ROLE_ARN = module.iam.role_arns["spark"]
    EMR_LOGS_URI           = "s3://${module.data_lake.buckets["logs"]}/spark/"
    USER_KEY_SECRET        = module.secrets.arns["user_key"]
    BATCH_JOB_QUEUE        = module.training_batch.job_queue
    BATCH_JOB_DEFINITION   = module.training_batch.job_definition
  }
}

module "kms" {
  source               = "../kms"
  name                 = var.name
  deletion_window_days = var.protect ? 30 : 7
}

module "network" {
  source             = "../network"
  name               = var.name
  cidr               = var.cidr
  availability_zones = var.availability_zones
  nat                = var.nat
  endpoint_zones     = var.endpoint_zones
  logs_key_arn       = module.kms.arns["logs"]
  log_retention_days = var.log_retention_days
}

module "data_lake" {
  source              = "../data_lake"
  name                = var.name
  data_key_arn        = module.kms.arns["data"]
  noncurrent_days     = var.noncurrent_days
  delivery_principals = var.delivery_principals
  force_destroy       = !var.protect
}

module "ecr" {
  source        = "../ecr"
  prefix        = var.image_prefix
  data_key_arn  = module.kms.arns["data"]
  force_destroy = !var.protect
}

module "secrets" {
  source               = "../secrets"
  name                 = var.name
  secrets_key_arn      = module.kms.arns["secrets"]
  recovery_window_days = var.protect ? 30 : 0
  values               = var.secret_values
  versions             = var.secret_versions
}

module "database" {
  source          = "../database"
  name            = var.name
  vpc_id          = module.network.vpc_id
  subnet_ids      = module.network.private_subnet_ids
  data_key_arn    = module.kms.arns["data"]
  secrets_key_arn = module.kms.arns["secrets"]
  client_security_group_ids = {
    airflow = module.airflow_ecs.security_group_id
    mlflow  = module.mlflow_ecs.security_group_id
  }
  passwords            = var.database_passwords
  password_version     = module.secrets.versions["database_master"]
  url_version          = module.secrets.versions["database_airflow"] * 1000 + module.secrets.versions["database_mlflow"]
  instance_class       = var.database.instance_class
  storage_gib          = var.database.storage_gib
  multi_az             = var.database.multi_az
  backup_days          = var.database.backup_days
  deletion_protection  = var.protect
  recovery_window_days = var.protect ? 30 : 0
}

module "lists_cache" {
  source        = "../lists_cache"
  name          = var.name
  vpc_id        = module.network.vpc_id
  subnet_ids    = module.network.private_subnet_ids
  data_key_arn  = module.kms.arns["data"]
  logs_key_arn  = module.kms.arns["logs"]
  node_type     = var.cache.node_type
  replicas      = var.cache.replicas
  multi_az      = var.cache.multi_az
  snapshot_days = var.cache.snapshot_days
  client_security_group_ids = {
    airflow    = module.airflow_ecs.security_group_id
    storefront = module.storefront_ecs.security_group_id
  }
}

module "emr_serverless" {
  source            = "../emr_serverless"
  name              = var.name
  vpc_id            = module.network.vpc_id
  vpc_cidr          = module.network.cidr
  subnet_ids        = module.network.private_subnet_ids
  s3_prefix_list_id = module.network.s3_prefix_list_id
  image_uri         = local.spark_image
  max_vcpus         = var.spark_max_vcpus
  max_memory_gib    = var.spark_max_vcpus * 4
  max_disk_gib      = var.spark_max_vcpus * 20
  # EMR looks into the repository when the application is made.
  depends_on = [module.ecr]
}

module "training_batch" {
  source               = "../training_batch"
  name                 = var.name
  vpc_id               = module.network.vpc_id
  vpc_cidr             = module.network.cidr
  subnet_ids           = module.network.private_subnet_ids
  s3_prefix_list_id    = module.network.s3_prefix_list_id
  data_key_arn         = module.kms.arns["data"]
  logs_key_arn         = module.kms.arns["logs"]
  instance_profile_arn = module.iam.gpu_instance_profile_arn
  job_role_arn         = module.iam.role_arns["training"]
  execution_role_arn   = module.iam.execution_role_arns["training"]
  image_uri            = local.images["training"]
  instance_types       = var.gpu_instance_types
  max_vcpus            = var.gpu_max_vcpus
  environment          = merge(local.jobs, { VAR = "/tmp/nightshelf", ACCELERATOR = "gpu" })
}

module "iam" {
  source          = "../iam"
  name            = var.name
  bucket_arns     = module.data_lake.arns
  key_arns        = module.kms.arns
  secret_arns     = module.secrets.arns
  repository_arns = module.ecr.arns
  execution_secret_arns = {
    airflow = concat(
      [for name in ["user_key", "airflow_api", "airflow_jwt", "airflow_fernet", "airflow_admin"] : module.secrets.arns[name]],
      [module.database.url_secret_arns["airflow"]],
    )
    migrate = concat(
      [for name in ["airflow_api", "airflow_jwt", "airflow_fernet", "database_master", "database_airflow", "database_mlflow"] : module.secrets.arns[name]],
      [module.database.url_secret_arns["airflow"]],
    )
    jobs       = [module.secrets.arns["user_key"]]
    mlflow     = [module.database.url_secret_arns["mlflow"]]
    storefront = [module.secrets.arns["user_key"]]
  }
  cache_arn                = module.lists_cache.arn
  cache_user_arns          = module.lists_cache.user_arns
  emr_application_arn      = module.emr_serverless.application_arn
  training_log_group_arn   = module.training_batch.log_group_arn
  task_log_group_arn       = module.airflow_ecs.task_log_group.arn
  state_file_system_arn    = module.airflow_ecs.state_file_system_arn
  state_access_point_arn   = module.airflow_ecs.state_access_point_arn
  local_jobs               = concat(var.compute == "local" ? ["spark"] : [], var.compute_training == "local" ? ["training"] : [])
  permissions_boundary_arn = var.permissions_boundary_arn
}

resource "aws_service_discovery_private_dns_namespace" "this" {
  name        = local.namespace
  description = "Names of Nightshelf's services"
  vpc         = module.network.vpc_id
}

module "airflow_ecs" {
  source                  = "../airflow_ecs"
  name                    = var.name
  vpc_id                  = module.network.vpc_id
  vpc_cidr                = module.network.cidr
  subnet_ids              = module.network.private_subnet_ids
  s3_prefix_list_id       = module.network.s3_prefix_list_id
  ui_cidrs                = var.ui_cidrs
  namespace_id            = aws_service_discovery_private_dns_namespace.this.id
  namespace_name          = local.namespace
  image_uri               = local.images["airflow"]
  sizes                   = var.airflow_sizes
  services_running        = var.services_running
  pipeline_environment    = merge(local.jobs, local.targets, { REDIS_URL = module.lists_cache.urls["writer"] }, var.settings)
  database_host           = module.database.host
  database_url_secret_arn = module.database.url_secret_arns["airflow"]
  secret_arns             = module.secrets.arns
  role_arns               = module.iam.role_arns
  execution_role_arns     = module.iam.execution_role_arns
  data_key_arn            = module.kms.arns["data"]
  logs_key_arn            = module.kms.arns["logs"]
  log_retention_days      = var.log_retention_days
}

module "mlflow_ecs" {
  source                  = "../mlflow_ecs"
  name                    = var.name
  region                  = local.region
  vpc_id                  = module.network.vpc_id
  vpc_cidr                = module.network.cidr
  subnet_ids              = module.network.private_subnet_ids
  s3_prefix_list_id       = module.network.s3_prefix_list_id
  cluster_arn             = module.airflow_ecs.cluster_arn
  namespace_id            = aws_service_discovery_private_dns_namespace.this.id
  namespace_name          = local.namespace
  image_uri               = local.images["airflow"]
  running                 = var.services_running
  models_bucket           = module.data_lake.buckets["models"]
  database_url_secret_arn = module.database.url_secret_arns["mlflow"]
  task_role_arn           = module.iam.role_arns["mlflow"]
  execution_role_arn      = module.iam.execution_role_arns["mlflow"]
  logs_key_arn            = module.kms.arns["logs"]
  log_retention_days      = var.log_retention_days
  client_security_group_ids = {
    airflow  = module.airflow_ecs.security_group_id
    training = module.training_batch.security_group_id
  }
}

module "storefront_ecs" {
  source              = "../storefront_ecs"
  name                = var.name
  region              = local.region
  vpc_id              = module.network.vpc_id
  vpc_cidr            = module.network.cidr
  subnet_ids          = module.network.private_subnet_ids
  s3_prefix_list_id   = module.network.s3_prefix_list_id
  client_cidrs        = concat([var.cidr], var.shop_cidrs)
  cluster_arn         = module.airflow_ecs.cluster_arn
  namespace_id        = aws_service_discovery_private_dns_namespace.this.id
  image_uri           = local.images["storefront"]
  redis_url           = module.lists_cache.urls["reader"]
  user_key_secret_arn = module.secrets.arns["user_key"]
  task_role_arn       = module.iam.role_arns["storefront"]
  execution_role_arn  = module.iam.execution_role_arns["storefront"]
  cpu                 = var.storefront.cpu
  memory_mib          = var.storefront.memory_mib
  desired_count       = var.storefront.count
  running             = var.services_running
  logs_key_arn        = module.kms.arns["logs"]
  log_retention_days  = var.log_retention_days
}

module "observability" {
  source              = "../observability"
  name                = var.name
  logs_key_arn        = module.kms.arns["logs"]
  emails              = var.alarm_emails
  task_log_group_name = module.airflow_ecs.task_log_group.name
  cache_nodes         = module.lists_cache.nodes
  database_identifier = module.database.identifier
  cluster_name        = module.airflow_ecs.cluster_name
  # Nobody is to be told that a service is down which should not run.
  services           = { for name, count in local.services : name => count if count > 0 }
  emr_application_id = module.emr_serverless.application_id
  batch_queue_arns   = module.training_batch.queue_arns
  monthly_budget_usd = var.monthly_budget_usd
}
