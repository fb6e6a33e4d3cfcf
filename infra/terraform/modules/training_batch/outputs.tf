output "job_queue" {
  description = "BATCH_JOB_QUEUE: spot, then on demand."
  value       = aws_batch_job_queue.training.name
}

output "on_demand_job_queue" {
  description = "BATCH_JOB_QUEUE where spot shall not be tried."
  value       = aws_batch_job_queue.on_demand.name
}

output "job_definition" {
  description = "BATCH_JOB_DEFINITION: the name, so that a job takes the newest revision."
  value       = aws_batch_job_definition.this.name
}

output "log_group_arn" {
  description = "Where trainings log."
  value       = aws_cloudwatch_log_group.this.arn
}

output "queue_arns" {
  description = "ARNs of both queues."
  value       = [aws_batch_job_queue.training.arn, aws_batch_job_queue.on_demand.arn]
}

output "security_group_id" {
  description = "Group of the instances."
  value       = aws_security_group.this.id
}
