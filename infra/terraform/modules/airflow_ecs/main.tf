# Airflow 3.3 on Fargate: four services of the project's image, and tasks that are run by hand: `migrate`, `land`, `lists`.
# Tasks run in the scheduler's container (LocalExecutor); Spark and training go where COMPUTE and COMPUTE_TRAINING say.

data "aws_region" "current" {}
data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  home   = "/opt/nightshelf"
  var    = "${local.home}/var"
  health = "${local.home}/infra/images/healthy.py"
  api    = "http://api-server.${var.namespace_name}:8080"

  pipeline = merge(var.pipeline_environment, {
    VAR             = local.var
    NIGHTSHELF_HOME = local.home
  })

  airflow = {
    AIRFLOW_HOME                                       = "/tmp/airflow"
    AIRFLOW_CONN_AWS_DEFAULT                           = "aws://" # the task's role
    AIRFLOW__USAGE_DATA_COLLECTION__ENABLED            = "False"
    AIRFLOW__CORE__EXECUTOR                            = "LocalExecutor"
    AIRFLOW__CORE__PARALLELISM                         = tostring(var.parallelism)
    AIRFLOW__CORE__DAGS_FOLDER                         = "${local.home}/dags"
    AIRFLOW__CORE__PLUGINS_FOLDER                      = "${local.home}/dags/plugins"
    AIRFLOW__CORE__LOAD_EXAMPLES                       = "False"
    AIRFLOW__CORE__DEFAULT_TIMEZONE                    = "utc"
    AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION         = "False"
    AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT               = "120"
    AIRFLOW__CORE__HOSTNAME_CALLABLE                   = "socket.gethostname"
    AIRFLOW__CORE__EXECUTION_API_SERVER_URL            = "${local.api}/execution/"
    AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS           = "admin:admin"
    AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE  = "/tmp/airflow_passwords.json"
    AIRFLOW__API__BASE_URL                             = local.api
    AIRFLOW__API__INSTANCE_NAME                        = var.name
    AIRFLOW__EXECUTION_API__JWT_EXPIRATION_TIME        = "86400"
    AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT = "120"
    AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK            = "True"
    AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT            = "3600"
    AIRFLOW__LOGGING__COLORED_CONSOLE_LOG              = "False"
    AIRFLOW__LOGGING__REMOTE_LOGGING                   = "True"
    AIRFLOW__LOGGING__REMOTE_LOG_CONN_ID               = "aws_default"
    AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER           = "cloudwatch://${aws_cloudwatch_log_group.tasks.arn}"
  }
  airflow_secrets = {
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN = var.database_url_secret_arn
    AIRFLOW__CORE__FERNET_KEY           = var.secret_arns["airflow_fernet"]
    AIRFLOW__API__SECRET_KEY            = var.secret_arns["airflow_api"]
    AIRFLOW__API_AUTH__JWT_SECRET       = var.secret_arns["airflow_jwt"]
  }

  # The passwords file must be there before the first start; the secret is letters and digits, so it needs no escapes.
  api_server = <<-EOT
    umask 077
    printf '{"admin": "%s"}\n' "$AIRFLOW_ADMIN" > "$AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"
    unset AIRFLOW_ADMIN
    exec airflow api-server --workers 2
  EOT

  services = {
    api-server = {
      command = ["sh", "-ec", local.api_server], role = "api_server", size = var.sizes.api_server, ports = [8080]
      secrets = { AIRFLOW_ADMIN = var.secret_arns["airflow_admin"] }
      health  = [local.health, "http://127.0.0.1:8080/api/v2/monitor/health"], state = true, alone = false
    }
    scheduler = {
      command = ["airflow", "scheduler", "--skip-serve-logs"], role = "scheduler", size = var.sizes.scheduler, ports = []
      secrets = { USER_KEY = var.secret_arns["user_key"] }
      # Two would share the work, but a deployment would end the tasks of the old one anyway.
      health = [local.health, "http://127.0.0.1:8974/health"], state = true, alone = true
    }
    dag-processor = {
      command = ["airflow", "dag-processor"], role = "dag_processor", size = var.sizes.dag_processor, ports = []
      secrets = {}, health = null, state = false, alone = false
    }
    triggerer = {
      command = ["airflow", "triggerer", "--skip-serve-logs"], role = "triggerer", size = var.sizes.triggerer, ports = []
      secrets = {}, health = null, state = true, alone = false
    }
  }

  # A job by hand under its own role, for example a rollback: aws ecs run-task --task-definition <name>-lists --overrides ...
  by_hand = {
    land  = ["python", "-m", "jobs.land", "--help"]
    lists = ["python", "-m", "jobs.rollback", "--help"]
  }
}

# ---- the cluster, and the names that services find each other by

resource "aws_ecs_cluster" "this" {
  name = var.name

  setting {
    name  = "containerInsights"
    value = "enabled" # alarms count running tasks
  }
}

resource "aws_cloudwatch_log_group" "tasks" {
  name              = "/nightshelf/${var.name}/tasks"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.logs_key_arn
}

# ---- VAR: reports, Data Docs, bundles already fetched. The registry and the lake hold what matters.

resource "aws_efs_file_system" "state" {
  creation_token   = "${var.name}-state"
  encrypted        = true
  kms_key_id       = var.data_key_arn
  throughput_mode  = "elastic"
  performance_mode = "generalPurpose"
  tags             = { Name = "${var.name}-state" }

  lifecycle_policy {
    transition_to_ia = "AFTER_30_DAYS"
  }
}

resource "aws_efs_access_point" "state" {
  file_system_id = aws_efs_file_system.state.id

  posix_user {
    uid = var.uid
    gid = var.uid
  }

  root_directory {
    path = "/var"
    creation_info {
      owner_uid   = var.uid
      owner_gid   = var.uid
      permissions = "750"
    }
  }
}

resource "aws_security_group" "state" {
  name        = "${var.name}-state"
  description = "NFS from Airflow"
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-state" }
}

resource "aws_vpc_security_group_ingress_rule" "state" {
  security_group_id            = aws_security_group.state.id
  description                  = "NFS from Airflow"
  referenced_security_group_id = aws_security_group.airflow.id
  ip_protocol                  = "tcp"
  from_port                    = 2049
  to_port                      = 2049
}

resource "aws_efs_mount_target" "state" {
  count           = length(var.subnet_ids)
  file_system_id  = aws_efs_file_system.state.id
  subnet_id       = var.subnet_ids[count.index]
  security_groups = [aws_security_group.state.id]
}

# TLS only, and only through the access point. Without this policy EFS lets in whoever reaches the port.
data "aws_iam_policy_document" "state" {
  statement {
    sid       = "ThroughTheAccessPoint"
    actions   = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
    resources = [aws_efs_file_system.state.arn]
    principals {
      type        = "AWS"
      identifiers = ["arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:root"]
    }
    condition {
      test     = "StringEquals"
      variable = "elasticfilesystem:AccessPointArn"
      values   = [aws_efs_access_point.state.arn]
    }
  }
  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["*"]
    resources = [aws_efs_file_system.state.arn]
    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_efs_file_system_policy" "state" {
  file_system_id = aws_efs_file_system.state.id
  policy         = data.aws_iam_policy_document.state.json
}

# ---- the services

resource "aws_security_group" "airflow" {
  name        = "${var.name}-airflow"
  description = "Airflow: its parts, its stores, AWS services"
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-airflow" }
}

resource "aws_vpc_security_group_ingress_rule" "api" {
  security_group_id            = aws_security_group.airflow.id
  description                  = "API between the parts of Airflow"
  referenced_security_group_id = aws_security_group.airflow.id
  ip_protocol                  = "tcp"
  from_port                    = 8080
  to_port                      = 8080
}

resource "aws_vpc_security_group_ingress_rule" "people" {
  for_each          = toset(var.ui_cidrs)
  security_group_id = aws_security_group.airflow.id
  description       = "Pages of Airflow for people"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 8080
  to_port           = 8080
}

resource "aws_vpc_security_group_egress_rule" "vpc" {
  security_group_id = aws_security_group.airflow.id
  description       = "Stores, MLflow and endpoints in the VPC"
  cidr_ipv4         = var.vpc_cidr
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 8080
}

resource "aws_vpc_security_group_egress_rule" "s3" {
  security_group_id = aws_security_group.airflow.id
  description       = "S3 through the gateway endpoint"
  prefix_list_id    = var.s3_prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

module "service" {
  source   = "../ecs_service"
  for_each = local.services

  name               = var.name
  role               = each.key
  cluster_arn        = aws_ecs_cluster.this.arn
  namespace_id       = var.namespace_id
  image_uri          = var.image_uri
  command            = each.value.command
  health_command     = each.value.health
  start_seconds      = 180
  stop_seconds       = 120
  one_at_a_time      = each.value.alone
  running            = var.services_running
  cpu                = each.value.size.cpu
  memory_mib         = each.value.size.memory_mib
  disk_gib           = each.value.size.disk_gib
  ports              = each.value.ports
  environment        = merge(local.pipeline, local.airflow)
  secret_arns        = merge(local.airflow_secrets, each.value.secrets)
  task_role_arn      = var.role_arns[each.value.role]
  execution_role_arn = var.execution_role_arns["airflow"]
  subnet_ids         = var.subnet_ids
  security_group_ids = [aws_security_group.airflow.id]
  logs_key_arn       = var.logs_key_arn
  log_retention_days = var.log_retention_days
  state = each.value.state ? {
    file_system_id = aws_efs_file_system.state.id, access_point_id = aws_efs_access_point.state.id, path = local.var
  } : null
}

# Databases, users, Airflow's tables and pools. Run it before the services' first start and after each upgrade.
module "migrate" {
  source = "../ecs_service"

  name          = var.name
  role          = "migrate"
  desired_count = 0
  image_uri     = var.image_uri
  command = [
    "sh", "-ec",
    "python -c \"$MAKE_DATABASES\" && airflow db migrate && airflow pools import ${local.home}/infra/images/airflow_pools.json",
  ]
  cpu         = 1024
  memory_mib  = 4096
  environment = merge(local.airflow, { PGHOST = var.database_host, MAKE_DATABASES = file("${path.module}/databases.py") })
  secret_arns = merge(local.airflow_secrets, {
    MASTER_PASSWORD  = var.secret_arns["database_master"]
    AIRFLOW_PASSWORD = var.secret_arns["database_airflow"]
    MLFLOW_PASSWORD  = var.secret_arns["database_mlflow"]
  })
  task_role_arn      = var.role_arns["dag_processor"] # which may do nothing
  execution_role_arn = var.execution_role_arns["migrate"]
  logs_key_arn       = var.logs_key_arn
  log_retention_days = var.log_retention_days
}

module "job" {
  source   = "../ecs_service"
  for_each = local.by_hand

  name               = var.name
  role               = each.key
  desired_count      = 0
  image_uri          = var.image_uri
  command            = each.value
  cpu                = 1024
  memory_mib         = 8192
  environment        = merge(var.pipeline_environment, { VAR = "/tmp/nightshelf", NIGHTSHELF_HOME = local.home })
  secret_arns        = { USER_KEY = var.secret_arns["user_key"] } # jobs.impressions makes pseudonyms
  task_role_arn      = var.role_arns[each.key]
  execution_role_arn = var.execution_role_arns["jobs"]
  logs_key_arn       = var.logs_key_arn
  log_retention_days = var.log_retention_days
}
