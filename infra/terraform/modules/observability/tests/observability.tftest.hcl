# Alarms, their text, the budget; and what is refused.

mock_provider "aws" {
  source          = "../../mocks"
  override_during = plan
}

variables {
  name                = "nightshelf-test"
  logs_key_arn        = "arn:aws:kms:eu-west-1:123456789012:key/logs"
  emails              = ["night@example.com"]
  task_log_group_name = "/nightshelf/nightshelf-test/tasks"
  cache_nodes         = ["nightshelf-test-lists-001", "nightshelf-test-lists-002"]
  database_identifier = "nightshelf-test"
  cluster_name        = "nightshelf-test"
  services            = { scheduler = 1, storefront = 2 }
  emr_application_id  = "00mocked"
  batch_queue_arns    = ["arn:aws:batch:eu-west-1:123456789012:job-queue/t"]
  monthly_budget_usd  = 500
}

run "alarms" {
  command = plan

  assert {
    condition     = aws_cloudwatch_metric_alarm.log["no-new-lists"].treat_missing_data == "breaching" && aws_cloudwatch_metric_alarm.log["gate-failed"].treat_missing_data == "notBreaching"
    error_message = "Silence is the fault where lists are missing, and none elsewhere."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.log["no-new-lists"].evaluation_periods == 30 && aws_cloudwatch_metric_alarm.log["no-new-lists"].period == 3600
    error_message = "Thirty hours without a publication."
  }
  assert {
    condition     = alltrue([for it in concat(values(aws_cloudwatch_metric_alarm.log), values(aws_cloudwatch_metric_alarm.cache), values(aws_cloudwatch_metric_alarm.database), values(aws_cloudwatch_metric_alarm.service)) : strcontains(it.alarm_description, "Runbook:")])
    error_message = "Every alarm names the runbook's line that helps."
  }
  assert {
    condition     = length(aws_cloudwatch_metric_alarm.cache) == 6 && aws_cloudwatch_metric_alarm.service["storefront"].threshold == 2
    error_message = "Each node and each service is watched."
  }
  assert {
    condition     = length(aws_budgets_budget.month.notification) == 2 && aws_budgets_budget.month.limit_amount == "500"
    error_message = "Told at 80 % spent and when 100 % is forecast."
  }
}

run "refuses" {
  command = plan
  variables {
    emails                  = ["nobody"]
    max_hours_without_lists = 12
    services                = { scheduler = 0 }
    monthly_budget_usd      = 1
  }
  expect_failures = [var.emails, var.max_hours_without_lists, var.services, var.monthly_budget_usd]
}
