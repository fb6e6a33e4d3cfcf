# Spark's application, bounded and stopped; and what is refused.

mock_provider "aws" {
  source          = "../../mocks"
  override_during = plan
}

variables {
  name              = "nightshelf-test"
  vpc_id            = "vpc-0123456789abcdef0"
  vpc_cidr          = "10.40.0.0/16"
  subnet_ids        = ["subnet-a", "subnet-b"]
  s3_prefix_list_id = "pl-1"
}

run "bounded" {
  command = plan
  variables {
    image_uri = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/nightshelf/spark:0.5.0"
  }

  assert {
    condition     = aws_emrserverless_application.this.maximum_capacity[0].cpu == "32 vCPU" && aws_emrserverless_application.this.auto_stop_configuration[0].enabled
    error_message = "What it may take is bounded, and it stops by itself."
  }
  assert {
    condition     = aws_emrserverless_application.this.image_configuration[0].image_uri == var.image_uri
    error_message = "It runs our image."
  }
}

run "without_an_image_at_first" {
  command = plan

  assert {
    condition     = length(aws_emrserverless_application.this.image_configuration) == 0
    error_message = "The first apply comes before the first image."
  }
}

run "refuses" {
  command = plan
  variables {
    subnet_ids     = ["subnet-a"]
    release_label  = "emr-7.9.0"
    image_uri      = "docker.io/nightshelf/spark:latest"
    max_vcpus      = 2
    max_memory_gib = 4
    max_disk_gib   = 10
    idle_minutes   = 0
  }
  expect_failures = [
    var.subnet_ids, var.release_label, var.image_uri, var.max_vcpus, var.max_memory_gib, var.max_disk_gib, var.idle_minutes,
  ]
}
