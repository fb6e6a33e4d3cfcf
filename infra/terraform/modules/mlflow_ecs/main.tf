# MLflow's server on Fargate: metadata in PostgreSQL, models in S3 through the server, so that no job needs the bucket.

locals {
  home = "/opt/nightshelf"
  host = "mlflow.${var.namespace_name}"
}

resource "aws_security_group" "this" {
  name        = "${var.name}-mlflow"
  description = "MLflow: from the jobs, to its stores"
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-mlflow" }
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each                     = var.client_security_group_ids
  security_group_id            = aws_security_group.this.id
  description                  = "MLflow from ${each.key}"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = 5000
  to_port                      = 5000
}

resource "aws_vpc_security_group_egress_rule" "vpc" {
  security_group_id = aws_security_group.this.id
  description       = "PostgreSQL and endpoints in the VPC"
  cidr_ipv4         = var.vpc_cidr
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 5432
}

resource "aws_vpc_security_group_egress_rule" "s3" {
  security_group_id = aws_security_group.this.id
  description       = "S3 through the gateway endpoint"
  prefix_list_id    = var.s3_prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

module "service" {
  source = "../ecs_service"

  name         = var.name
  role         = "mlflow"
  cluster_arn  = var.cluster_arn
  namespace_id = var.namespace_id
  image_uri    = var.image_uri
  command = [
    "mlflow", "server", "--host", "0.0.0.0", "--port", "5000", "--workers", tostring(var.workers),
    "--serve-artifacts", "--artifacts-destination", "s3://${var.models_bucket}/artifacts",
    "--allowed-hosts", "${local.host}:5000,127.0.0.1:5000,localhost:5000",
  ]
  health_command = ["${local.home}/infra/images/healthy.py", "http://127.0.0.1:5000/health"]
  start_seconds  = 180 # its first start makes the tables
  cpu            = var.cpu
  memory_mib     = var.memory_mib
  desired_count  = 1
  running        = var.running
  ports          = [5000]
  environment = {
    AWS_DEFAULT_REGION                 = var.region
    MLFLOW_DISABLE_TELEMETRY           = "true"
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION = "false"
    DO_NOT_TRACK                       = "true"
  }
  secret_arns        = { MLFLOW_BACKEND_STORE_URI = var.database_url_secret_arn }
  task_role_arn      = var.task_role_arn
  execution_role_arn = var.execution_role_arn
  subnet_ids         = var.subnet_ids
  security_group_ids = [aws_security_group.this.id]
  logs_key_arn       = var.logs_key_arn
  log_retention_days = var.log_retention_days
}
