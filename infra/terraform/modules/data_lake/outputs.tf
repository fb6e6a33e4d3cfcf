output "buckets" {
  description = "Name of each bucket: lake, deliveries, models, logs, access."
  value       = { for purpose, bucket in aws_s3_bucket.this : purpose => bucket.id }
}

output "arns" {
  description = "ARN of each bucket."
  value       = { for purpose, bucket in aws_s3_bucket.this : purpose => bucket.arn }
}

output "lake_root" {
  description = "LAKE_ROOT of every job."
  value       = "s3a://${aws_s3_bucket.this["lake"].id}/lake"
}

output "deliveries_root" {
  description = "DATA of every job."
  value       = "s3://${aws_s3_bucket.this["deliveries"].id}"
}
