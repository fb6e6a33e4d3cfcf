# The lists over HTTP (python -m storefront.service) on Fargate, for the shop's servers inside the VPC or a peered one.

resource "aws_security_group" "this" {
  name        = "${var.name}-storefront"
  description = "Storefront: from the servers of the shop, to the lists"
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-storefront" }
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each          = toset(var.client_cidrs)
  security_group_id = aws_security_group.this.id
  description       = "Lists for the servers of the shop"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 8000
  to_port           = 8000
}

resource "aws_vpc_security_group_egress_rule" "lists" {
  security_group_id = aws_security_group.this.id
  description       = "Valkey"
  cidr_ipv4         = var.vpc_cidr
  ip_protocol       = "tcp"
  from_port         = 6379
  to_port           = 6379
}

resource "aws_vpc_security_group_egress_rule" "services" {
  security_group_id = aws_security_group.this.id
  description       = "AWS services behind their endpoints: image, secrets, logs"
  cidr_ipv4         = var.vpc_cidr
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "s3" {
  security_group_id = aws_security_group.this.id
  description       = "Image layers through the gateway endpoint"
  prefix_list_id    = var.s3_prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

module "service" {
  source = "../ecs_service"

  name           = var.name
  role           = "storefront"
  cluster_arn    = var.cluster_arn
  namespace_id   = var.namespace_id
  image_uri      = var.image_uri
  health_command = ["/opt/nightshelf/infra/images/healthy.py", "http://127.0.0.1:8000/healthz"]
  start_seconds  = 30
  stop_seconds   = 30
  cpu            = var.cpu
  memory_mib     = var.memory_mib
  disk_gib       = 21
  desired_count  = var.desired_count
  running        = var.running
  ports          = [8000]
  environment = {
    STOREFRONT_HOST          = "0.0.0.0"
    STOREFRONT_WORKERS       = tostring(max(1, floor(var.cpu / 1024)))
    STOREFRONT_KEEP_SEGMENTS = tostring(var.keep_segments)
    REDIS_URL                = var.redis_url
    MAX_AGE_SECONDS          = tostring(var.max_age_seconds)
    AWS_DEFAULT_REGION       = var.region
    DO_NOT_TRACK             = "true"
  }
  secret_arns        = { USER_KEY = var.user_key_secret_arn }
  task_role_arn      = var.task_role_arn
  execution_role_arn = var.execution_role_arn
  subnet_ids         = var.subnet_ids
  security_group_ids = [aws_security_group.this.id]
  logs_key_arn       = var.logs_key_arn
  log_retention_days = var.log_retention_days
}
