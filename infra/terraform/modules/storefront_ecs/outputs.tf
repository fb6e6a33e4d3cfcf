output "security_group_id" {
  description = "Group of the service."
  value       = aws_security_group.this.id
}

output "service_name" {
  description = "Name of the service."
  value       = module.service.service_name
}

output "desired_count" {
  description = "How many ECS keeps running."
  value       = module.service.desired_count
}

output "environment" {
  description = "Its plain settings."
  value       = module.service.environment
}
