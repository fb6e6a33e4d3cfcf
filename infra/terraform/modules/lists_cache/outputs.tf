output "name" {
  description = "Name of the replication group, which IAM tokens are made for."
  value       = aws_elasticache_replication_group.this.replication_group_id
}

output "nodes" {
  description = "Names of the nodes, as alarms take them."
  value       = [for number in range(local.nodes) : format("%s-lists-%03d", var.name, number + 1)]
}

output "arn" {
  description = "ARN of the replication group."
  value       = aws_elasticache_replication_group.this.arn
}

output "user_arns" {
  description = "ARNs of writer and reader."
  value       = { for name, user in aws_elasticache_user.this : name => user.arn }
}

output "urls" {
  description = "REDIS_URL of writer and reader: TLS, the user's name, and for which cache its IAM tokens are made. No secret."
  value = {
    for name, user in aws_elasticache_user.this : name => format(
      "rediss://%s@%s:6379/0?aws_cache=%s", user.user_name,
      aws_elasticache_replication_group.this.primary_endpoint_address,
      aws_elasticache_replication_group.this.replication_group_id,
    )
  }
}

output "security_group_id" {
  description = "Group of the nodes."
  value       = aws_security_group.this.id
}
