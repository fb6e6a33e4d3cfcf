# Secrets by write-only attributes; and what is refused.

mock_provider "aws" {
  source          = "../../mocks"
  override_during = plan
}

variables {
  name            = "nightshelf-test"
  secrets_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/secrets"
  values = {
    user_key         = "0123456789abcdef0123456789abcdef"
    airflow_api      = "0123456789abcdef0123456789abcdef"
    airflow_jwt      = "0123456789abcdef0123456789abcdef"
    airflow_fernet   = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
    airflow_admin    = "0123456789abcdef0123456789abcdef"
    database_master  = "0123456789abcdef0123456789abcdef"
    database_airflow = "0123456789abcdef0123456789abcdef"
    database_mlflow  = "0123456789abcdef0123456789abcdef"
  }
}

run "written" {
  command = plan

  assert {
    condition     = alltrue([for it in aws_secretsmanager_secret_version.this : it.secret_string_wo_version == 1 && it.secret_string_wo == null])
    error_message = "A secret's value must be in no plan and no state."
  }
  assert {
    condition     = alltrue([for it in aws_secretsmanager_secret.this : it.kms_key_id == var.secrets_key_arn && it.recovery_window_in_days == 30])
    error_message = "Secrets have a key of their own and can be brought back."
  }
}

run "drawn_again" {
  command = plan
  variables {
    versions = { airflow_jwt = 2 }
  }

  assert {
    condition     = aws_secretsmanager_secret_version.this["airflow_jwt"].secret_string_wo_version == 2 && aws_secretsmanager_secret_version.this["user_key"].secret_string_wo_version == 1
    error_message = "Only the named secret is written again."
  }
}

run "refuses" {
  command = plan
  variables {
    recovery_window_days = 3
    versions             = { password = 2 }
    values               = { user_key = "short" }
  }
  expect_failures = [var.recovery_window_days, var.versions, var.values]
}

run "refuses_a_key_that_is_no_fernet_key" {
  command = plan
  variables {
    values = {
      user_key        = "0123456789abcdef", airflow_api = "0123456789abcdef", airflow_jwt = "0123456789abcdef",
      airflow_admin   = "0123456789abcdef", database_master = "0123456789abcdef", database_airflow = "0123456789abcdef",
      database_mlflow = "0123456789abcdef", airflow_fernet = "0123456789abcdef0123456789abcdef"
    }
  }
  expect_failures = [var.values]
}
