# Training on GPUs that exist only while a training runs: spot first, on demand where spot has no room.

data "aws_region" "current" {}

locals {
  markets = {
    spot      = { type = "SPOT", strategy = "SPOT_PRICE_CAPACITY_OPTIMIZED", order = 1 }
    on_demand = { type = "EC2", strategy = "BEST_FIT_PROGRESSIVE", order = 2 }
  }
}

resource "aws_security_group" "this" {
  name        = "${var.name}-training"
  description = "GPU instances: to S3, AWS services and MLflow"
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-training" }
}

resource "aws_vpc_security_group_egress_rule" "services" {
  security_group_id = aws_security_group.this.id
  description       = "AWS services behind their endpoints"
  cidr_ipv4         = var.vpc_cidr
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "s3" {
  security_group_id = aws_security_group.this.id
  description       = "S3 through the gateway endpoint"
  prefix_list_id    = var.s3_prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "mlflow" {
  security_group_id = aws_security_group.this.id
  description       = "MLflow"
  cidr_ipv4         = var.vpc_cidr
  ip_protocol       = "tcp"
  from_port         = 5000
  to_port           = 5000
}

resource "aws_launch_template" "this" {
  name                   = "${var.name}-training"
  update_default_version = true

  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      encrypted             = true
      kms_key_id            = var.data_key_arn
      volume_size           = var.disk_gib
      volume_type           = "gp3"
      delete_on_termination = true
    }
  }

  # Two hops, because the container is one further than the instance.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 2
  }

  lifecycle {
    ignore_changes = [tag_specifications] # Batch writes its own
  }
}

resource "aws_batch_compute_environment" "this" {
  for_each                 = local.markets
  compute_environment_name = "${var.name}-training-${replace(each.key, "_", "-")}"
  type                     = "MANAGED"
  state                    = "ENABLED"

  compute_resources {
    type                = each.value.type
    allocation_strategy = each.value.strategy
    instance_role       = var.instance_profile_arn
    instance_type       = var.instance_types
    min_vcpus           = 0
    max_vcpus           = var.max_vcpus
    subnets             = var.subnet_ids
    security_group_ids  = [aws_security_group.this.id]

    ec2_configuration {
      image_type = "ECS_AL2023_NVIDIA"
    }

    launch_template {
      launch_template_id = aws_launch_template.this.id
      version            = "$Latest"
    }
  }

  lifecycle {
    ignore_changes = [compute_resources[0].desired_vcpus] # Batch's to set
  }
}

# Batch turns to the second environment when the first cannot take a job. A job that waits for room in both is cancelled
# after a while, so that Airflow tells of it instead of waiting all night.
resource "aws_batch_job_queue" "training" {
  name     = "${var.name}-training"
  state    = "ENABLED"
  priority = 10

  dynamic "compute_environment_order" {
    for_each = { for market, it in local.markets : it.order => market }
    content {
      order               = compute_environment_order.key
      compute_environment = aws_batch_compute_environment.this[compute_environment_order.value].arn
    }
  }

  job_state_time_limit_action {
    reason           = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"
    state            = "RUNNABLE"
    action           = "CANCEL"
    max_time_seconds = var.capacity_wait_seconds
  }
}

# The way past a dry spot market: BATCH_JOB_QUEUE of one run, or of all.
resource "aws_batch_job_queue" "on_demand" {
  name     = "${var.name}-training-on-demand"
  state    = "ENABLED"
  priority = 10

  compute_environment_order {
    order               = 1
    compute_environment = aws_batch_compute_environment.this["on_demand"].arn
  }
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/nightshelf/${var.name}/training"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.logs_key_arn
}

resource "aws_batch_job_definition" "this" {
  name                  = "${var.name}-training"
  type                  = "container"
  platform_capabilities = ["EC2"]
  propagate_tags        = true

  container_properties = jsonencode({
    image            = var.image_uri
    jobRoleArn       = var.job_role_arn
    executionRoleArn = var.execution_role_arn
    command          = ["python", "-m", "models.training", "--help"] # each job says its own
    resourceRequirements = [
      { type = "VCPU", value = tostring(var.job_vcpus) },
      { type = "MEMORY", value = tostring(var.job_memory_mib) },
      { type = "GPU", value = "1" },
    ]
    environment = [for name in sort(keys(var.environment)) : { name = name, value = var.environment[name] }]
    linuxParameters = {
      sharedMemorySize = 2048 # MiB
    }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = aws_cloudwatch_log_group.this.name
        "awslogs-region"        = data.aws_region.current.name
        "awslogs-stream-prefix" = "training"
      }
    }
  })

  # A spot instance that was taken back is nobody's fault: try again. Anything else is Airflow's to judge.
  retry_strategy {
    attempts = 3
    evaluate_on_exit {
      on_status_reason = "Host EC2*"
      action           = "RETRY"
    }
    evaluate_on_exit {
      on_reason = "*"
      action    = "EXIT"
    }
  }

  timeout {
    attempt_duration_seconds = var.timeout_seconds
  }
}
