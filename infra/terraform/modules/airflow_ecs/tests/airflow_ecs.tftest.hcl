# Airflow's four parts, their settings and secrets; and what is refused.

mock_provider "aws" {
  source          = "../../mocks"
  override_during = plan
}

variables {
  name                    = "nightshelf-test"
  vpc_id                  = "vpc-0123456789abcdef0"
  vpc_cidr                = "10.40.0.0/16"
  subnet_ids              = ["subnet-a", "subnet-b"]
  s3_prefix_list_id       = "pl-1"
  namespace_id            = "ns-1"
  logs_key_arn            = "arn:aws:kms:eu-west-1:123456789012:key/logs"
  namespace_name          = "nightshelf-test.internal"
  image_uri               = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/nightshelf/airflow:0.5.0"
  database_host           = "db.internal"
  database_url_secret_arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:url"
  data_key_arn            = "arn:aws:kms:eu-west-1:123456789012:key/data"
  secret_arns = {
    for name in ["user_key", "airflow_api", "airflow_jwt", "airflow_fernet", "airflow_admin", "database_master", "database_airflow", "database_mlflow"] :
    name => "arn:aws:secretsmanager:eu-west-1:123456789012:secret:${name}"
  }
  role_arns           = { for name in ["api_server", "scheduler", "dag_processor", "triggerer", "land", "lists"] : name => "arn:aws:iam::123456789012:role/${name}" }
  execution_role_arns = { for name in ["airflow", "jobs", "migrate"] : name => "arn:aws:iam::123456789012:role/${name}-execution" }
  pipeline_environment = {
    LAKE_ROOT           = "s3a://lake/lake", DATA = "s3://deliveries", SOURCE = "sources/demo_shop.yaml", REDIS_URL = "rediss://w@cache:6379/0"
    MLFLOW_TRACKING_URI = "http://mlflow:5000", COMPUTE = "emr-serverless", COMPUTE_TRAINING = "batch-gpu"
  }
}

run "four_parts" {
  command = plan

  assert {
    condition     = toset(keys(module.service)) == toset(["api-server", "scheduler", "dag-processor", "triggerer"])
    error_message = "Airflow is four services."
  }
  assert {
    condition     = length(output.desired_counts) == 4 && alltrue([for count in values(output.desired_counts) : count == 1])
    error_message = "One of each."
  }
  assert {
    condition     = module.service["scheduler"].environment["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://api-server.nightshelf-test.internal:8080/execution/"
    error_message = "Tasks find the API by its name."
  }
  assert {
    condition     = module.service["scheduler"].environment["COMPUTE"] == "emr-serverless" && module.service["scheduler"].environment["VAR"] == "/opt/nightshelf/var"
    error_message = "Jobs are told where they run and where their state is."
  }
  assert {
    condition     = module.service["scheduler"].environment["AIRFLOW__USAGE_DATA_COLLECTION__ENABLED"] == "False"
    error_message = "No telemetry."
  }
  assert {
    condition     = alltrue([for name in keys(module.service["scheduler"].environment) : !can(regex("(FERNET_KEY|SECRET_KEY|JWT_SECRET|SQL_ALCHEMY_CONN|USER_KEY)$", name))])
    error_message = "No secret among the plain settings."
  }
  assert {
    condition     = toset(keys(output.families)) == toset(["migrate", "land", "lists"])
    error_message = "Three tasks are run by hand."
  }
  assert {
    condition     = aws_efs_file_system.state.encrypted && anytrue([for it in data.aws_iam_policy_document.state.statement : it.effect == "Deny" && one(it.condition).variable == "aws:SecureTransport"])
    error_message = "VAR is encrypted, at rest and on its way."
  }
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.people) == 0
    error_message = "Nobody opens the pages from outside unless a range is named."
  }
}

run "none_running" {
  command = plan
  variables {
    services_running = false
  }

  assert {
    condition     = length(output.desired_counts) == 4 && alltrue([for count in values(output.desired_counts) : count == 0])
    error_message = "No part of Airflow runs before it has its tables."
  }
  assert {
    condition     = output.families["migrate"] == "nightshelf-test-migrate"
    error_message = "What makes the tables can still be run."
  }
}

run "refuses" {
  command = plan
  variables {
    parallelism = 1
    ui_cidrs    = ["0.0.0.0/0"]
    sizes       = { scheduler = { cpu = 256, memory_mib = 512, disk_gib = 21 } }
    pipeline_environment = {
      LAKE_ROOT           = "s3a://lake/lake", DATA = "s3://deliveries", SOURCE = "sources/demo_shop.yaml", REDIS_URL = "rediss://w@cache:6379/0"
      MLFLOW_TRACKING_URI = "http://mlflow:5000", COMPUTE = "emr", COMPUTE_TRAINING = "batch-gpu"
    }
  }
  expect_failures = [var.parallelism, var.ui_cidrs, var.sizes, var.pipeline_environment]
}
