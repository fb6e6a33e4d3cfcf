# New random values at every plan and apply, never stored by Terraform: one long draw, cut into pieces.

locals {
  lengths = {
    user_key         = 48
    airflow_api      = 48
    airflow_jwt      = 64
    airflow_fernet   = 32 # bytes of the key before its encoding
    airflow_admin    = 24
    database_master  = 32
    database_airflow = 32
    database_mlflow  = 32
  }
  names  = keys(local.lengths)
  starts = { for index, name in local.names : name => sum(concat([0], slice(values(local.lengths), 0, index))) }
  pieces = {
    for name in local.names :
    name => substr(ephemeral.aws_secretsmanager_random_password.all.random_password, local.starts[name], local.lengths[name])
  }
}

ephemeral "aws_secretsmanager_random_password" "all" {
  password_length     = sum(values(local.lengths))
  exclude_punctuation = true
}

output "values" {
  description = "A value for each secret."
  ephemeral   = true
  sensitive   = true
  # Letters and digits, encoded as Fernet wants its 32 bytes: 190 bits of chance.
  # Through JSON, since Terraform wants the map itself to be ephemeral, not only what is in it.
  value = jsondecode(jsonencode(merge(local.pieces, {
    airflow_fernet = replace(replace(base64encode(local.pieces["airflow_fernet"]), "+", "-"), "/", "_")
  })))
}
