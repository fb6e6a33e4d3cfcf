# Spark without a cluster to keep: an application that starts when a job comes and stops when none is left.

resource "aws_security_group" "this" {
  name        = "${var.name}-spark"
  description = "Spark workers: to S3 and AWS services, and to each other"
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-spark" }
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

resource "aws_emrserverless_application" "this" {
  name          = "${var.name}-spark"
  release_label = var.release_label
  type          = "SPARK"
  architecture  = "X86_64" # the image's wheels and jars are built for it

  # The image must be derived from EMR's own of the same release: it brings Python and our code, EMR brings Spark.
  dynamic "image_configuration" {
    for_each = var.image_uri == null ? [] : [var.image_uri]
    content {
      image_uri = image_configuration.value
    }
  }

  maximum_capacity {
    cpu    = "${var.max_vcpus} vCPU"
    memory = "${var.max_memory_gib} GB"
    disk   = "${var.max_disk_gib} GB"
  }

  auto_start_configuration {
    enabled = true
  }

  auto_stop_configuration {
    enabled              = true
    idle_timeout_minutes = var.idle_minutes
  }

  network_configuration {
    subnet_ids         = var.subnet_ids
    security_group_ids = [aws_security_group.this.id]
  }
}
