# Subnets, ways out and endpoints; and what is refused.

mock_provider "aws" {
  source          = "../../mocks"
  override_during = plan
}

variables {
  name               = "nightshelf-test"
  cidr               = "10.40.0.0/16"
  availability_zones = ["eu-west-1a", "eu-west-1b"]
  logs_key_arn       = "arn:aws:kms:eu-west-1:123456789012:key/logs"
}

run "without_internet" {
  command = plan

  assert {
    condition     = length(aws_internet_gateway.this) == 0 && length(aws_nat_gateway.this) == 0 && length(aws_subnet.public) == 0
    error_message = "nat = none must leave no way to the internet."
  }
  assert {
    condition     = [for zone in var.availability_zones : aws_subnet.private[zone].cidr_block] == ["10.40.0.0/20", "10.40.16.0/20"]
    error_message = "Each zone must have a private subnet of its own."
  }
  assert {
    condition     = aws_vpc_endpoint.s3.vpc_endpoint_type == "Gateway" && contains(keys(aws_vpc_endpoint.interface), "ecr.dkr")
    error_message = "Images come through the endpoints of ECR and S3."
  }
  assert {
    condition     = alltrue([for endpoint in aws_vpc_endpoint.interface : endpoint.private_dns_enabled])
    error_message = "Programs use the public names, so endpoints must answer to them."
  }
  assert {
    condition     = alltrue([for it in data.aws_iam_policy_document.s3_endpoint.statement : it.sid != "OwnBuckets" || length(it.condition) == 1])
    error_message = "The S3 endpoint must let through this account's buckets only."
  }
}

run "a_gateway_in_each_zone" {
  command = plan
  variables {
    nat            = "per_zone"
    endpoint_zones = 1
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 2 && length(aws_route.nat) == 2
    error_message = "per_zone must give each zone its own gateway."
  }
  assert {
    condition     = alltrue([for endpoint in aws_vpc_endpoint.interface : length(endpoint.subnet_ids) == 1])
    error_message = "endpoint_zones = 1 must place each endpoint once."
  }
}

run "one_gateway_for_all" {
  command = plan
  variables {
    nat = "one"
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(aws_route.nat) == 2
    error_message = "one gateway, and both zones go through it."
  }
}

run "refuses" {
  command = plan
  variables {
    name               = "Nightshelf"
    cidr               = "10.40.0.0/24"
    availability_zones = ["eu-west-1a"]
    log_retention_days = 31
    flow_log_traffic   = "SOME"
  }
  expect_failures = [
    var.name, var.cidr, var.availability_zones, var.log_retention_days, var.flow_log_traffic,
  ]
}

run "refuses_a_network_in_which_nothing_starts" {
  command = plan
  variables {
    interface_endpoints = ["logs", "sts"]
  }
  expect_failures = [var.interface_endpoints]
}

run "refuses_an_unknown_way_out_and_more_zones_than_there_are" {
  command = plan
  variables {
    nat            = "two"
    endpoint_zones = 3
  }
  expect_failures = [var.nat, var.endpoint_zones]
}
