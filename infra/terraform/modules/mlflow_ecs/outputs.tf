output "url" {
  description = "MLFLOW_TRACKING_URI."
  value       = "http://${local.host}:5000"
}

output "security_group_id" {
  description = "Group of the server."
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
