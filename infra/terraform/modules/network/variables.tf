variable "name" {
  description = "Prefix of all names, for example nightshelf-dev."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,24}$", var.name))
    error_message = "name: 3 to 25 characters, lower-case letters, digits and hyphens, a letter first."
  }
}

variable "cidr" {
  description = "Address range of the VPC; must not overlap with networks that it is peered with."
  type        = string

  validation {
    condition = can(cidrhost(var.cidr, 0)) && try(
      tonumber(split("/", var.cidr)[1]) >= 16 && tonumber(split("/", var.cidr)[1]) <= 20, false
    )
    error_message = "cidr: an IPv4 range of /16 to /20, for example 10.40.0.0/16 (GPU and Spark workers take an address each)."
  }
}

variable "availability_zones" {
  description = "Zones to spread over, for example [\"eu-west-1a\", \"eu-west-1b\"]."
  type        = list(string)

  validation {
    condition     = length(var.availability_zones) >= 2 && length(var.availability_zones) <= 3 && length(distinct(var.availability_zones)) == length(var.availability_zones)
    error_message = "availability_zones: two or three different ones (RDS, ElastiCache and EMR Serverless want at least two)."
  }
}

variable "nat" {
  description = "Way to the internet from the private subnets: none (endpoints only), one NAT gateway, or one per zone."
  type        = string
  default     = "none"

  validation {
    condition     = contains(["none", "one", "per_zone"], var.nat)
    error_message = "nat: none, one or per_zone."
  }
}

variable "interface_endpoints" {
  description = "AWS services reached through an interface endpoint; each costs by hour and zone."
  type        = set(string)
  default = [
    "batch", "ecr.api", "ecr.dkr", "ecs", "ecs-agent", "ecs-telemetry", "emr-serverless", "kms", "logs", "monitoring",
    "secretsmanager", "sts",
  ]

  validation {
    condition     = var.nat != "none" || length(setsubtract(["ecr.api", "ecr.dkr", "logs", "secretsmanager", "sts", "kms"], var.interface_endpoints)) == 0
    error_message = "interface_endpoints: without NAT at least ecr.api, ecr.dkr, logs, secretsmanager, sts and kms are needed, or no container starts."
  }
}

variable "endpoint_zones" {
  description = "In how many of the zones each interface endpoint stands; 1 saves money and shares that zone's fate."
  type        = number
  default     = 2

  validation {
    condition     = var.endpoint_zones >= 1 && var.endpoint_zones <= length(var.availability_zones)
    error_message = "endpoint_zones: between 1 and the number of availability_zones."
  }
}

variable "logs_key_arn" {
  description = "KMS key of the flow logs."
  type        = string
}

variable "log_retention_days" {
  description = "How long flow logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([7, 14, 30, 60, 90, 180, 365], var.log_retention_days)
    error_message = "log_retention_days: one of 7, 14, 30, 60, 90, 180, 365 (CloudWatch takes no other)."
  }
}

variable "flow_log_traffic" {
  description = "ALL, or REJECT (cheaper: only what was refused)."
  type        = string
  default     = "REJECT"

  validation {
    condition     = contains(["ALL", "REJECT"], var.flow_log_traffic)
    error_message = "flow_log_traffic: ALL or REJECT."
  }
}
