output "cluster_arn" {
  description = "The ECS cluster, which MLflow and the storefront share."
  value       = aws_ecs_cluster.this.arn
}

output "cluster_name" {
  description = "Its name."
  value       = aws_ecs_cluster.this.name
}

output "url" {
  description = "Airflow's address inside the VPC."
  value       = local.api
}

output "security_group_id" {
  description = "Group of Airflow's containers."
  value       = aws_security_group.airflow.id
}

output "task_log_group" {
  description = "Log group of Airflow's tasks: name and ARN."
  value       = { name = aws_cloudwatch_log_group.tasks.name, arn = aws_cloudwatch_log_group.tasks.arn }
}

output "state_file_system_arn" {
  description = "File system that holds VAR."
  value       = aws_efs_file_system.state.arn
}

output "state_access_point_arn" {
  description = "The way to it."
  value       = aws_efs_access_point.state.arn
}

output "desired_counts" {
  description = "The services, and how many of each ECS keeps running."
  value       = { for name, service in module.service : name => service.desired_count }
}

output "families" {
  description = "Task definitions that are run by hand."
  value       = merge({ migrate = module.migrate.family }, { for name, job in module.job : name => job.family })
}

output "environment" {
  description = "The plain settings of Airflow's services."
  value       = module.service["scheduler"].environment
}
