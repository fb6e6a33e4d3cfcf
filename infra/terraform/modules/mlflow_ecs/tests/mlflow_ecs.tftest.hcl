# MLflow's server; and what is refused.

mock_provider "aws" {
  source          = "../../mocks"
  override_during = plan
}

variables {
  name                      = "nightshelf-test"
  vpc_id                    = "vpc-0123456789abcdef0"
  vpc_cidr                  = "10.40.0.0/16"
  subnet_ids                = ["subnet-a", "subnet-b"]
  s3_prefix_list_id         = "pl-1"
  namespace_id              = "ns-1"
  logs_key_arn              = "arn:aws:kms:eu-west-1:123456789012:key/logs"
  region                    = "eu-west-1"
  namespace_name            = "nightshelf-test.internal"
  cluster_arn               = "arn:aws:ecs:eu-west-1:123456789012:cluster/t"
  image_uri                 = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/nightshelf/airflow:0.5.0"
  models_bucket             = "models"
  database_url_secret_arn   = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:url"
  task_role_arn             = "arn:aws:iam::123456789012:role/mlflow"
  execution_role_arn        = "arn:aws:iam::123456789012:role/execution"
  client_security_group_ids = { airflow = "sg-a", training = "sg-t" }
}

run "server" {
  command = plan

  assert {
    condition     = output.url == "http://mlflow.nightshelf-test.internal:5000"
    error_message = "Jobs find it by its name."
  }
  assert {
    condition     = output.desired_count == 1
    error_message = "One server."
  }
  assert {
    condition     = toset([for it in aws_vpc_security_group_ingress_rule.clients : it.referenced_security_group_id]) == toset(["sg-a", "sg-t"])
    error_message = "MLflow asks nobody who they are, so only these groups may come."
  }
}

run "not_running" {
  command = plan
  variables {
    running = false
  }

  assert {
    condition     = output.desired_count == 0
    error_message = "MLflow does not run before it has its database."
  }
}

run "refuses" {
  command = plan
  variables {
    memory_mib = 512
    workers    = 0
  }
  expect_failures = [var.memory_mib, var.workers]
}
