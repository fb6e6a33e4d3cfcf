output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "cidr" {
  description = "Its address range."
  value       = aws_vpc.this.cidr_block
}

output "private_subnet_ids" {
  description = "Private subnets, in the order of the zones."
  value       = [for zone in var.availability_zones : aws_subnet.private[zone].id]
}

output "s3_prefix_list_id" {
  description = "Addresses of S3, for rules that let through S3 and nothing else."
  value       = aws_vpc_endpoint.s3.prefix_list_id
}

output "endpoint_services" {
  description = "Services that have an interface endpoint."
  value       = sort(keys(aws_vpc_endpoint.interface))
}
