output "application_id" {
  description = "EMR_APPLICATION_ID."
  value       = aws_emrserverless_application.this.id
}

output "application_arn" {
  description = "ARN of the application."
  value       = aws_emrserverless_application.this.arn
}

output "security_group_id" {
  description = "Group of the workers."
  value       = aws_security_group.this.id
}
