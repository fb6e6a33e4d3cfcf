output "nightshelf" {
  description = "Addresses, names and what `aws ecs run-task` needs."
  value       = module.nightshelf
}
