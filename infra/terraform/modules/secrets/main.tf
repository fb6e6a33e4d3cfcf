# Secrets are written through write-only attributes: neither plan nor state ever holds one. Where they come from
# (`drawn`, or a person) is the caller's choice; what another module needs it reads back (`stored`).

locals {
  names = toset([
    "user_key", # key of the shoppers' pseudonyms; a new one makes everybody a stranger
    "airflow_api", "airflow_jwt", "airflow_fernet", "airflow_admin",
    "database_master", "database_airflow", "database_mlflow",
  ])
  versions = { for name in local.names : name => lookup(var.versions, name, 1) }
}

resource "aws_secretsmanager_secret" "this" {
  for_each                = local.names
  name                    = "${var.name}/${each.key}"
  description             = "Nightshelf: ${replace(each.key, "_", " ")}"
  kms_key_id              = var.secrets_key_arn
  recovery_window_in_days = var.recovery_window_days
}

resource "aws_secretsmanager_secret_version" "this" {
  for_each                 = local.names
  secret_id                = aws_secretsmanager_secret.this[each.key].id
  secret_string_wo         = var.values[each.key]
  secret_string_wo_version = local.versions[each.key]
}
