terraform {
  required_version = ">= 1.11, < 2.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  # The bucket is made by hand, once an account (docs/aws.md): terraform init -backend-config=backend.hcl
  backend "s3" {
    use_lockfile = true # a lock beside the state; no DynamoDB
    encrypt      = true
  }
}
