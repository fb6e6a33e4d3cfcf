output "environment" {
  description = "Plain settings of Airflow's services."
  value       = module.airflow_ecs.environment
}

output "storefront_environment" {
  description = "Plain settings of the storefront."
  value       = module.storefront_ecs.environment
}

output "airflow_url" {
  description = "Airflow inside the VPC."
  value       = module.airflow_ecs.url
}

output "mlflow_url" {
  description = "MLflow inside the VPC."
  value       = module.mlflow_ecs.url
}

output "storefront_url" {
  description = "The lists over HTTP inside the VPC."
  value       = "http://storefront.${local.namespace}:8000"
}

output "services" {
  description = "The services, and how many of each ECS keeps running."
  value       = local.services
}

output "image_urls" {
  description = "Where to push the images."
  value       = module.ecr.urls
}

output "deliveries" {
  description = "Where the shop puts its files."
  value       = module.data_lake.deliveries_root
}

output "run_task" {
  description = "What `aws ecs run-task` needs for migrate, land and lists."
  value = {
    cluster        = module.airflow_ecs.cluster_name
    families       = module.airflow_ecs.families
    subnets        = module.network.private_subnet_ids
    security_group = module.airflow_ecs.security_group_id
  }
}

output "admin_secret" {
  description = "Where the password of Airflow's user admin stands."
  value       = module.secrets.arns["airflow_admin"]
}

output "alarm_topic" {
  description = "Topic of all alarms."
  value       = module.observability.topic_arn
}

output "alarms" {
  description = "Names of all alarms."
  value       = module.observability.alarms
}

output "password_secret_arns" {
  description = "Secrets that hold the database's passwords, known once they have a value."
  value       = { for name in ["master", "airflow", "mlflow"] : name => module.secrets.arns["database_${name}"] }
}
