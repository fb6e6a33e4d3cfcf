# A container: with a service and by hand; and what is refused.

mock_provider "aws" {
  source          = "../../mocks"
  override_during = plan
}

variables {
  name               = "nightshelf-test"
  role               = "scheduler"
  cluster_arn        = "arn:aws:ecs:eu-west-1:123456789012:cluster/t"
  namespace_id       = "ns-1"
  image_uri          = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/nightshelf/airflow:0.5.0"
  cpu                = 1024
  memory_mib         = 2048
  environment        = { B = "2", A = "1" }
  secret_arns        = { USER_KEY = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:k" }
  task_role_arn      = "arn:aws:iam::123456789012:role/task"
  execution_role_arn = "arn:aws:iam::123456789012:role/execution"
  subnet_ids         = ["subnet-a"]
  security_group_ids = ["sg-1"]
  logs_key_arn       = "arn:aws:kms:eu-west-1:123456789012:key/logs"
}

run "service" {
  command = plan
  variables {
    one_at_a_time  = true
    ports          = [8080]
    health_command = ["healthy.py", "http://127.0.0.1:8080"]
    state          = { file_system_id = "fs-1", access_point_id = "fsap-1", path = "/var/x" }
  }

  assert {
    condition     = aws_ecs_service.this[0].deployment_maximum_percent == 100 && aws_ecs_service.this[0].deployment_circuit_breaker[0].rollback
    error_message = "Never two at once, and back when it does not start."
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment == [{ name = "A", value = "1" }, { name = "B", value = "2" }]
    error_message = "Settings in a fixed order, or every plan has a change."
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].secrets[0].valueFrom == var.secret_arns["USER_KEY"]
    error_message = "A secret goes by its ARN."
  }
  assert {
    condition     = one(aws_ecs_task_definition.this.volume).efs_volume_configuration[0].transit_encryption == "ENABLED"
    error_message = "The share is mounted with TLS."
  }
  assert {
    condition     = length(aws_service_discovery_service.this) == 1
    error_message = "What listens has a name."
  }
}

run "as_many_as_wanted" {
  command = plan
  variables {
    desired_count = 3
  }

  assert {
    condition     = aws_ecs_service.this[0].desired_count == 3 && output.desired_count == 3
    error_message = "A service runs unless it is told not to."
  }
}

run "none_running" {
  command = plan
  variables {
    desired_count = 3
    ports         = [8080]
    running       = false
  }

  assert {
    condition     = aws_ecs_service.this[0].desired_count == 0 && output.desired_count == 0 && length(aws_service_discovery_service.this) == 1
    error_message = "The service and its name stand, and none of it runs."
  }
}

run "by_hand" {
  command = plan
  variables {
    desired_count = 0
    ports         = [8080]
  }

  assert {
    condition     = length(aws_ecs_service.this) == 0 && length(aws_service_discovery_service.this) == 0 && output.desired_count == null
    error_message = "A task by hand is no service."
  }
  assert {
    condition     = !contains(keys(jsondecode(aws_ecs_task_definition.this.container_definitions)[0]), "healthCheck")
    error_message = "No health check where none was given."
  }
}

run "refuses" {
  command = plan
  variables {
    role               = "Scheduler!"
    image_uri          = "nightshelf/airflow:latest"
    start_seconds      = 400
    stop_seconds       = 600
    cpu                = 1000
    disk_gib           = 10
    desired_count      = 50
    log_retention_days = 5
    secret_arns        = { USER_KEY = "0123456789abcdef" }
  }
  expect_failures = [
    var.role, var.image_uri, var.start_seconds, var.stop_seconds, var.cpu, var.disk_gib, var.desired_count, var.log_retention_days,
    var.secret_arns,
  ]
}

run "refuses_memory_that_fargate_refuses" {
  command = plan
  variables {
    memory_mib = 1024
  }
  expect_failures = [var.memory_mib]
}
