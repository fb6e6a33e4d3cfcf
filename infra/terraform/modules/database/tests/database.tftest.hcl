# PostgreSQL: TLS, no password in the state, protection; and what is refused.

mock_provider "aws" {
  source          = "../../mocks"
  override_during = plan
}

variables {
  name                      = "nightshelf-test"
  vpc_id                    = "vpc-0123456789abcdef0"
  subnet_ids                = ["subnet-a", "subnet-b"]
  client_security_group_ids = { airflow = "sg-airflow" }
  data_key_arn              = "arn:aws:kms:eu-west-1:123456789012:key/data"
  secrets_key_arn           = "arn:aws:kms:eu-west-1:123456789012:key/secrets"
  passwords                 = { master = "0123456789abcdef", airflow = "0123456789abcdef", mlflow = "0123456789abcdef" }
}

run "protected" {
  command = plan

  assert {
    condition     = aws_db_instance.this.password_wo == null && aws_secretsmanager_secret_version.url["airflow"].secret_string_wo == null
    error_message = "No password may stand in plan or state."
  }
  assert {
    condition     = aws_db_instance.this.storage_encrypted && !aws_db_instance.this.publicly_accessible && aws_db_instance.this.deletion_protection && !aws_db_instance.this.skip_final_snapshot
    error_message = "Encrypted, private, and not to be destroyed by accident."
  }
  assert {
    condition     = anytrue([for it in aws_db_parameter_group.this.parameter : it.name == "rds.force_ssl" && it.value == "1"])
    error_message = "TLS only."
  }
  assert {
    condition     = aws_db_parameter_group.this.family == "postgres17"
    error_message = "The parameters' family follows the engine's version."
  }
}

run "refuses" {
  command = plan
  variables {
    subnet_ids     = ["subnet-a"]
    engine_version = "9.6"
    instance_class = "large"
    storage_gib    = 5
    backup_days    = 0
    passwords      = { master = "pass/word", airflow = "0123456789abcdef", mlflow = "0123456789abcdef" }
  }
  expect_failures = [
    var.subnet_ids, var.engine_version, var.instance_class, var.storage_gib, var.backup_days, var.passwords,
  ]
}
