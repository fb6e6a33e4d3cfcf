# The database's passwords as they stand in the store: read at every plan and apply, never kept. What is read here was
# written by an earlier version of `secrets`, or by this apply.

variable "arns" {
  description = "Secrets of master, airflow and mlflow."
  type        = object({ master = string, airflow = string, mlflow = string })
}

ephemeral "aws_secretsmanager_secret_version" "master" {
  secret_id = var.arns.master
}

ephemeral "aws_secretsmanager_secret_version" "airflow" {
  secret_id = var.arns.airflow
}

ephemeral "aws_secretsmanager_secret_version" "mlflow" {
  secret_id = var.arns.mlflow
}

output "values" {
  description = "Their values."
  ephemeral   = true
  sensitive   = true
  # Through JSON, since Terraform wants the map itself to be ephemeral, not only what is in it.
  value = jsondecode(jsonencode({
    master  = ephemeral.aws_secretsmanager_secret_version.master.secret_string
    airflow = ephemeral.aws_secretsmanager_secret_version.airflow.secret_string
    mlflow  = ephemeral.aws_secretsmanager_secret_version.mlflow.secret_string
  }))
}
