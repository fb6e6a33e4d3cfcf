output "task_definition_arn" {
  description = "The newest revision."
  value       = aws_ecs_task_definition.this.arn
}

output "family" {
  description = "Name of the task definition, as `aws ecs run-task` takes it."
  value       = aws_ecs_task_definition.this.family
}

output "service_name" {
  description = "Name of the service; null where there is none."
  value       = one(aws_ecs_service.this[*].name)
}

output "desired_count" {
  description = "How many ECS keeps running; null where there is no service."
  value       = one(aws_ecs_service.this[*].desired_count)
}

output "log_group_name" {
  description = "Where it logs."
  value       = aws_cloudwatch_log_group.this.name
}

output "environment" {
  description = "The plain settings it is given."
  value       = var.environment
}
