output "role_arns" {
  description = "ARN of each role: land, spark, lists, training, scheduler, triggerer, api_server, dag_processor, mlflow, storefront, gpu_instance."
  value       = { for name, role in aws_iam_role.this : name => role.arn }
}

output "execution_role_arns" {
  description = "ARN of each execution role: airflow, jobs, migrate, mlflow, storefront, training."
  value       = { for name, role in aws_iam_role.execution : name => role.arn }
}

output "gpu_instance_profile_arn" {
  description = "Instance profile of Batch's instances."
  # The instance cannot join its cluster before its role may speak to ECS.
  value      = aws_iam_instance_profile.gpu_instance.arn
  depends_on = [aws_iam_role_policy_attachment.gpu_instance]
}
