# One container of ours on Fargate: task definition, log group and, unless it is run by hand, a service with a name.

data "aws_region" "current" {}

locals {
  volumes = var.state == null ? {} : { state = var.state }
  container = {
    name        = var.role
    image       = var.image_uri
    essential   = true
    command     = var.command
    environment = [for name in sort(keys(var.environment)) : { name = name, value = var.environment[name] }]
    secrets     = [for name in sort(keys(var.secret_arns)) : { name = name, valueFrom = var.secret_arns[name] }]
    portMappings = [
      for port in var.ports : { containerPort = port, hostPort = port, protocol = "tcp" }
    ]
    mountPoints = [for name, it in local.volumes : { sourceVolume = name, containerPath = it.path, readOnly = false }]
    stopTimeout = var.stop_seconds
    linuxParameters = {
      initProcessEnabled = true # reaps what jobs leave behind
    }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = aws_cloudwatch_log_group.this.name
        "awslogs-region"        = data.aws_region.current.name
        "awslogs-stream-prefix" = var.role
        "mode"                  = "non-blocking" # a stuck log must not stop the night
        "max-buffer-size"       = "16m"
      }
    }
    healthCheck = var.health_command == null ? null : {
      command     = concat(["CMD"], var.health_command)
      interval    = 30
      timeout     = 10
      retries     = 3
      startPeriod = var.start_seconds
    }
  }
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/nightshelf/${var.name}/${var.role}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.logs_key_arn
}

resource "aws_ecs_task_definition" "this" {
  family                   = "${var.name}-${var.role}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = tostring(var.cpu)
  memory                   = tostring(var.memory_mib)
  task_role_arn            = var.task_role_arn
  execution_role_arn       = var.execution_role_arn
  # ECS gives nulls back as absent; leave them out, or every plan has a change.
  container_definitions = jsonencode([{ for key, value in local.container : key => value if value != null }])

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "X86_64"
  }

  ephemeral_storage {
    size_in_gib = var.disk_gib
  }

  dynamic "volume" {
    for_each = local.volumes
    content {
      name = volume.key
      efs_volume_configuration {
        file_system_id     = volume.value.file_system_id
        transit_encryption = "ENABLED"
        authorization_config {
          access_point_id = volume.value.access_point_id
          iam             = "ENABLED"
        }
      }
    }
  }
}

resource "aws_service_discovery_service" "this" {
  count = var.desired_count > 0 && length(var.ports) > 0 ? 1 : 0
  name  = var.role

  dns_config {
    namespace_id   = var.namespace_id
    routing_policy = "MULTIVALUE"
    dns_records {
      type = "A"
      ttl  = 10
    }
  }
}

resource "aws_ecs_service" "this" {
  count                              = var.desired_count > 0 ? 1 : 0
  name                               = var.role
  cluster                            = var.cluster_arn
  task_definition                    = aws_ecs_task_definition.this.arn
  desired_count                      = var.running ? var.desired_count : 0
  launch_type                        = "FARGATE"
  platform_version                   = "1.4.0"
  propagate_tags                     = "SERVICE"
  enable_ecs_managed_tags            = true
  enable_execute_command             = false
  deployment_minimum_healthy_percent = var.one_at_a_time ? 0 : 100
  deployment_maximum_percent         = var.one_at_a_time ? 100 : 200

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = var.security_group_ids
    assign_public_ip = false
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true # the way back of a bad image
  }

  dynamic "service_registries" {
    for_each = aws_service_discovery_service.this
    content {
      registry_arn = service_registries.value.arn
    }
  }
}
