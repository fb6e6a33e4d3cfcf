# The lists' store: Valkey with TLS, a replica in another zone, users that log in with IAM and can do what they must.

locals {
  # docs/runbook.md: who publishes and rolls back, and who reads. Written as ElastiCache gives it back.
  access = {
    writer = "on ~recs:* resetchannels -@all +ping +info +time +scan +get +set +del +unlink +exists +expire +pttl +rpush +lrange +llen +hset +hgetall +hdel"
    reader = "on ~recs:* resetchannels -@all +ping +get +hgetall +lrange +scan"
  }
  nodes = var.multi_az ? max(2, var.replicas + 1) : var.replicas + 1
}

resource "aws_security_group" "this" {
  name        = "${var.name}-lists"
  description = "Valkey from the services that read or write lists"
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-lists" }
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each                     = var.client_security_group_ids
  security_group_id            = aws_security_group.this.id
  description                  = "Valkey from ${each.key}"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
}

resource "aws_elasticache_subnet_group" "this" {
  name       = "${var.name}-lists"
  subnet_ids = var.subnet_ids
}

# Lists must never be dropped for room: a publication that does not fit fails and the old lists go on serving.
resource "aws_elasticache_parameter_group" "this" {
  name   = "${var.name}-lists"
  family = "valkey${split(".", var.engine_version)[0]}"

  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }

  parameter {
    name  = "reserved-memory-percent"
    value = "25" # for the fork of a snapshot or a new replica
  }
}

# With IAM the user's name must be its id.
resource "aws_elasticache_user" "this" {
  for_each      = local.access
  user_id       = "${var.name}-${each.key}"
  user_name     = "${var.name}-${each.key}"
  engine        = "valkey"
  access_string = each.value

  authentication_mode {
    type = "iam"
  }
}

# A group of engine valkey needs no user `default`, and so there is none.
resource "aws_elasticache_user_group" "this" {
  user_group_id = "${var.name}-lists"
  engine        = "valkey"
  user_ids      = [for user in aws_elasticache_user.this : user.user_id]
}

resource "aws_cloudwatch_log_group" "slow" {
  name              = "/nightshelf/${var.name}/lists-slow"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.logs_key_arn
}

resource "aws_elasticache_replication_group" "this" {
  replication_group_id = "${var.name}-lists"
  description          = "Nightshelf: lists"
  engine               = "valkey"
  engine_version       = var.engine_version
  node_type            = var.node_type
  port                 = 6379
  parameter_group_name = aws_elasticache_parameter_group.this.name
  subnet_group_name    = aws_elasticache_subnet_group.this.name
  security_group_ids   = [aws_security_group.this.id]
  user_group_ids       = [aws_elasticache_user_group.this.user_group_id]

  num_cache_clusters         = local.nodes
  multi_az_enabled           = var.multi_az
  automatic_failover_enabled = local.nodes > 1

  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  at_rest_encryption_enabled = true
  kms_key_id                 = var.data_key_arn

  # Lists can be published again within minutes; a snapshot serves until then.
  snapshot_retention_limit   = var.snapshot_days
  snapshot_window            = "12:00-13:00" # UTC; never while a publication runs
  maintenance_window         = "sun:13:30-sun:14:30"
  auto_minor_version_upgrade = true
  apply_immediately          = false

  log_delivery_configuration {
    destination      = aws_cloudwatch_log_group.slow.name
    destination_type = "cloudwatch-logs"
    log_format       = "json"
    log_type         = "slow-log"
  }
}
