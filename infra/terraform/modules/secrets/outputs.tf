output "arns" {
  description = "ARN of each secret."
  # Known only once the secret has a value, so that what reads it waits for that.
  value = { for name, version in aws_secretsmanager_secret_version.this : name => version.arn }
}

output "versions" {
  description = "Number of each secret's value."
  value       = local.versions
}
