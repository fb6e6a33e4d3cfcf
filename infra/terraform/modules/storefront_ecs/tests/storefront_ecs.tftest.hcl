# The lists over HTTP; and what is refused.

mock_provider "aws" {
  source          = "../../mocks"
  override_during = plan
}

variables {
  name                = "nightshelf-test"
  vpc_id              = "vpc-0123456789abcdef0"
  vpc_cidr            = "10.40.0.0/16"
  subnet_ids          = ["subnet-a", "subnet-b"]
  s3_prefix_list_id   = "pl-1"
  namespace_id        = "ns-1"
  logs_key_arn        = "arn:aws:kms:eu-west-1:123456789012:key/logs"
  region              = "eu-west-1"
  client_cidrs        = ["10.40.0.0/16"]
  cluster_arn         = "arn:aws:ecs:eu-west-1:123456789012:cluster/t"
  image_uri           = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/nightshelf/storefront:0.5.0"
  redis_url           = "rediss://nightshelf-test-reader@cache:6379/0?aws_cache=nightshelf-test-lists"
  user_key_secret_arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:user_key"
  task_role_arn       = "arn:aws:iam::123456789012:role/storefront"
  execution_role_arn  = "arn:aws:iam::123456789012:role/execution"
}

run "service" {
  command = plan
  variables {
    cpu        = 2048
    memory_mib = 4096
  }

  assert {
    condition     = output.environment["STOREFRONT_WORKERS"] == "2" && output.environment["STOREFRONT_HOST"] == "0.0.0.0"
    error_message = "A worker a vCPU, on all addresses."
  }
  assert {
    condition     = output.desired_count == 2
    error_message = "Two, so that one may be lost."
  }
  assert {
    condition     = !contains(keys(output.environment), "USER_KEY")
    error_message = "The key comes from the secret store."
  }
}

run "not_running" {
  command = plan
  variables {
    running = false
  }

  assert {
    condition     = output.desired_count == 0
    error_message = "Told not to run, none does."
  }
}

run "refuses" {
  command = plan
  variables {
    client_cidrs    = ["0.0.0.0/0"]
    redis_url       = "redis://cache:6379/0"
    desired_count   = 0
    max_age_seconds = 60
    keep_segments   = -1
  }
  expect_failures = [var.client_cidrs, var.redis_url, var.desired_count, var.max_age_seconds, var.keep_segments]
}
