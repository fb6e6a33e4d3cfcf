# GPUs: spot first, nothing while idle; and what is refused.

mock_provider "aws" {
  source          = "../../mocks"
  override_during = plan
}

variables {
  name                 = "nightshelf-test"
  vpc_id               = "vpc-0123456789abcdef0"
  vpc_cidr             = "10.40.0.0/16"
  subnet_ids           = ["subnet-a", "subnet-b"]
  s3_prefix_list_id    = "pl-1"
  data_key_arn         = "arn:aws:kms:eu-west-1:123456789012:key/data"
  logs_key_arn         = "arn:aws:kms:eu-west-1:123456789012:key/logs"
  instance_profile_arn = "arn:aws:iam::123456789012:instance-profile/gpu"
  job_role_arn         = "arn:aws:iam::123456789012:role/training"
  execution_role_arn   = "arn:aws:iam::123456789012:role/execution"
  image_uri            = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/nightshelf/training:0.5.0"
  environment          = { ACCELERATOR = "gpu", LAKE_ROOT = "s3a://lake/lake" }
}

run "spot_first" {
  command = plan

  assert {
    condition     = aws_batch_compute_environment.this["spot"].compute_resources[0].type == "SPOT" && aws_batch_compute_environment.this["on_demand"].compute_resources[0].type == "EC2"
    error_message = "Two markets."
  }
  assert {
    condition     = [for it in aws_batch_job_queue.training.compute_environment_order : it.order] == [1, 2] && length(aws_batch_job_queue.on_demand.compute_environment_order) == 1
    error_message = "Spot first, on demand second; and a queue without spot."
  }
  assert {
    condition     = alltrue([for it in aws_batch_compute_environment.this : it.compute_resources[0].min_vcpus == 0])
    error_message = "No GPU may run without a training."
  }
  assert {
    condition     = contains([for it in jsondecode(aws_batch_job_definition.this.container_properties).resourceRequirements : "${it.type}=${it.value}"], "GPU=1")
    error_message = "A training asks for its GPU."
  }
  assert {
    condition     = aws_launch_template.this.metadata_options[0].http_tokens == "required" && tobool(aws_launch_template.this.block_device_mappings[0].ebs[0].encrypted)
    error_message = "IMDSv2 only, and encrypted disks."
  }
}

run "refuses" {
  command = plan
  variables {
    image_uri             = "nightshelf/training:latest"
    instance_types        = ["p4d.24xlarge"]
    max_vcpus             = 1
    job_memory_mib        = 512
    disk_gib              = 20
    timeout_seconds       = 60
    capacity_wait_seconds = 60
    environment           = { USER_KEY = "0123456789abcdef" }
  }
  expect_failures = [
    var.image_uri, var.instance_types, var.max_vcpus, var.job_memory_mib, var.disk_gib, var.timeout_seconds,
    var.capacity_wait_seconds, var.environment,
  ]
}

run "refuses_a_job_that_never_starts" {
  command = plan
  variables {
    job_vcpus = 16
  }
  expect_failures = [var.job_vcpus]
}
