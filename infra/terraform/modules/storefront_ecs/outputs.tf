output "security_group_id" {
  description = "Group of the service."
  value       = aws_security_group.this.id
}

output "service_name" {
  description = "Name of the service."
  value       = module.service.service_name
}

output "environment" {
  description = "Its plain settings."
  value       = module.service.environment
}
