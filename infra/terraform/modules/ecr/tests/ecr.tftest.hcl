# Images that are never moved; and what is refused.

mock_provider "aws" {
  source          = "../../mocks"
  override_during = plan
}

variables {
  data_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/data"
}

run "repositories" {
  command = plan

  assert {
    condition     = toset([for it in aws_ecr_repository.this : it.name]) == toset(["nightshelf/airflow", "nightshelf/spark", "nightshelf/training", "nightshelf/storefront"])
    error_message = "One repository for each image of infra/images."
  }
  assert {
    condition     = alltrue([for it in aws_ecr_repository.this : it.image_tag_mutability == "IMMUTABLE" && it.image_scanning_configuration[0].scan_on_push])
    error_message = "Tags stay, and images are scanned."
  }
  assert {
    condition     = alltrue([for it in data.aws_iam_policy_document.emr.statement : length(it.condition) == 1 && one(it.principals).identifiers == toset(["emr-serverless.amazonaws.com"])])
    error_message = "Only this account's EMR applications pull by the repository's policy."
  }
}

run "refuses" {
  command = plan
  variables {
    prefix      = "Night Shelf"
    keep_images = 1
  }
  expect_failures = [var.prefix, var.keep_images]
}
