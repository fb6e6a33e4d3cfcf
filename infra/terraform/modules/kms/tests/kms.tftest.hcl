# Three keys that turn every year; and what is refused.

mock_provider "aws" {
  source          = "../../mocks"
  override_during = plan
}

variables {
  name = "nightshelf-test"
}

run "keys" {
  command = plan

  assert {
    condition     = toset(keys(aws_kms_key.this)) == toset(["data", "secrets", "logs"])
    error_message = "One key each for data, secrets and logs."
  }
  assert {
    condition     = alltrue([for key in aws_kms_key.this : key.enable_key_rotation])
    error_message = "Keys must turn."
  }
  assert {
    condition     = contains([for it in data.aws_iam_policy_document.key["logs"].statement : it.sid], "CloudWatchLogs")
    error_message = "CloudWatch must be able to use the logs' key."
  }
  assert {
    condition = alltrue([
      for name in ["data", "secrets"] : !contains([for it in data.aws_iam_policy_document.key[name].statement : it.sid], "CloudWatchLogs")
    ])
    error_message = "CloudWatch has no business with the other keys."
  }
  assert {
    condition = alltrue([
      for it in flatten([for document in data.aws_iam_policy_document.key : document.statement]) : length(it.condition) > 0 if it.sid != "AccountDecides"
    ])
    error_message = "Whoever is let in beside the account is let in under a condition."
  }
}

run "refuses" {
  command = plan
  variables {
    name                 = "x"
    deletion_window_days = 3
  }
  expect_failures = [var.name, var.deletion_window_days]
}
