output "identifier" {
  description = "Name of the instance, as alarms take it."
  value       = aws_db_instance.this.identifier
}

output "host" {
  description = "Where it answers."
  value       = aws_db_instance.this.address
}

output "url_secret_arns" {
  description = "Secrets with the whole connection URL: airflow, mlflow."
  value       = { for name, version in aws_secretsmanager_secret_version.url : name => version.arn }
}

output "security_group_id" {
  description = "Group of the instance."
  value       = aws_security_group.this.id
}
