# Alarms for what docs/runbook.md tells how to mend, one topic for all of them, and a budget.

data "aws_caller_identity" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  namespace = "Nightshelf/${var.name}"
  hour      = 3600

  # Sentences that the jobs and Airflow's tasks write (lake/command.py, dags/commands.py; held together by a test).
  sentences = {
    ListsPublished = "\"jobs.publish done in\""
    GateFailed     = "\"ended with 66\""
    BadInput       = "\"ended with 65\""
    Unavailable    = "\"ended with 75\""
    Crashed        = "\"and not for the first time\""
  }

  log_alarms = {
    no-new-lists = {
      metric = "ListsPublished", below = true, threshold = 1, hours = var.max_hours_without_lists
      text   = "No publication in ${var.max_hours_without_lists} hours; the old lists serve. Runbook: Nothing new this morning."
    }
    gate-failed = {
      metric = "GateFailed", below = false, threshold = 1, hours = 1
      text   = "A gate stopped the line; what it guards was not replaced. Runbook: features.day or lists.lists failed, code 66."
    }
    bad-input = {
      metric = "BadInput", below = false, threshold = 1, hours = 1
      text   = "A job refused its input or settings. Runbook: the task that failed with code 65."
    }
    unavailable = {
      metric = "Unavailable", below = false, threshold = 10, hours = 1
      text   = "Tasks are tried again and again: a delivery that does not come, Redis or MLflow away. Runbook: Nothing new this morning."
    }
    crashed = {
      metric = "Crashed", below = false, threshold = 1, hours = 1
      text   = "A job ended unexpectedly three times: memory, disk or a fault of the code. Runbook: failed, other code."
    }
  }

  cache_alarms = merge([
    for node in var.cache_nodes : {
      "${node}-memory"    = { node = node, metric = "DatabaseMemoryUsagePercentage", threshold = 80, text = "the next publication may not fit (two versions stand at the peak)" }
      "${node}-evictions" = { node = node, metric = "Evictions", threshold = 0, text = "lists were dropped; the parameter group says noeviction, so somebody changed it" }
      "${node}-cpu"       = { node = node, metric = "EngineCPUUtilization", threshold = 90, text = "readers wait; throttle publications with PUBLISH_LISTS_PER_SECOND" }
    }
  ]...)

  database_alarms = {
    disk   = { metric = "FreeStorageSpace", below = true, threshold = 2 * pow(1024, 3), text = "less than 2 GiB of disk left" }
    memory = { metric = "FreeableMemory", below = true, threshold = 100 * pow(1024, 2), text = "less than 100 MiB of memory left" }
    cpu    = { metric = "CPUUtilization", below = false, threshold = 90, text = "busy for half an hour; Airflow's scheduler slows down" }
  }

  # States that AWS itself reports.
  events = {
    spark-failed = {
      source = "aws.emr-serverless", type = "EMR Serverless Job Run State Change"
      detail = { state = ["FAILED"], applicationId = [var.emr_application_id] }
    }
    training-failed = {
      source = "aws.batch", type = "Batch Job State Change"
      detail = { status = ["FAILED"], jobQueue = var.batch_queue_arns }
    }
  }
}

# ---- the topic

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = var.logs_key_arn
}

data "aws_iam_policy_document" "topic" {
  statement {
    sid       = "AwsSpeaks"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms.arn]
    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com", "events.amazonaws.com", "budgets.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_sns_topic_policy" "alarms" {
  arn    = aws_sns_topic.alarms.arn
  policy = data.aws_iam_policy_document.topic.json
}

resource "aws_sns_topic_subscription" "email" {
  for_each  = toset(var.emails)
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.value
}

# ---- what the jobs say

resource "aws_cloudwatch_log_metric_filter" "sentence" {
  for_each       = local.sentences
  name           = "${var.name}-${each.key}"
  log_group_name = var.task_log_group_name
  pattern        = each.value

  metric_transformation {
    name          = each.key
    namespace     = local.namespace
    value         = "1"
    default_value = "0"
  }
}

resource "aws_cloudwatch_metric_alarm" "log" {
  for_each            = local.log_alarms
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.text
  namespace           = local.namespace
  metric_name         = each.value.metric
  statistic           = "Sum"
  period              = local.hour
  evaluation_periods  = each.value.hours
  datapoints_to_alarm = each.value.hours
  comparison_operator = each.value.below ? "LessThanThreshold" : "GreaterThanOrEqualToThreshold"
  threshold           = each.value.threshold
  # Silence is the fault where lists are missing, and none elsewhere.
  treat_missing_data = each.value.below ? "breaching" : "notBreaching"
  alarm_actions      = [aws_sns_topic.alarms.arn]
  ok_actions         = each.value.below ? [aws_sns_topic.alarms.arn] : []
  depends_on         = [aws_cloudwatch_log_metric_filter.sentence]
}

# ---- stores and services

resource "aws_cloudwatch_metric_alarm" "cache" {
  for_each            = local.cache_alarms
  alarm_name          = "${var.name}-cache-${each.key}"
  alarm_description   = "Valkey ${each.value.node}: ${each.value.text}. Runbook: lists.publish failed."
  namespace           = "AWS/ElastiCache"
  metric_name         = each.value.metric
  dimensions          = { CacheClusterId = each.value.node }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  treat_missing_data  = "missing"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "database" {
  for_each            = local.database_alarms
  alarm_name          = "${var.name}-database-${each.key}"
  alarm_description   = "PostgreSQL: ${each.value.text}. Runbook: all tasks stay queued."
  namespace           = "AWS/RDS"
  metric_name         = each.value.metric
  dimensions          = { DBInstanceIdentifier = var.database_identifier }
  statistic           = "Average"
  period              = 300
  evaluation_periods  = 6
  comparison_operator = each.value.below ? "LessThanThreshold" : "GreaterThanThreshold"
  threshold           = each.value.threshold
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "service" {
  for_each            = var.services
  alarm_name          = "${var.name}-${each.key}-down"
  alarm_description   = "Fewer than ${each.value} of ${each.key} run. Runbook: all tasks stay queued."
  namespace           = "ECS/ContainerInsights"
  metric_name         = "RunningTaskCount"
  dimensions          = { ClusterName = var.cluster_name, ServiceName = each.key }
  statistic           = "Minimum"
  period              = 60
  evaluation_periods  = 10 # a deployment of what runs once is over by then
  comparison_operator = "LessThanThreshold"
  threshold           = each.value
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_event_rule" "state" {
  for_each    = local.events
  name        = "${var.name}-${each.key}"
  description = "Nightshelf: ${each.key}"
  event_pattern = jsonencode({
    source      = [each.value.source]
    detail-type = [each.value.type]
    detail      = each.value.detail
  })
}

resource "aws_cloudwatch_event_target" "state" {
  for_each  = local.events
  rule      = aws_cloudwatch_event_rule.state[each.key].name
  target_id = "alarms"
  arn       = aws_sns_topic.alarms.arn
}

# ---- money

resource "aws_budgets_budget" "month" {
  name         = "${var.name}-month"
  budget_type  = "COST"
  limit_amount = tostring(var.monthly_budget_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"

  # What this configuration makes carries the tag, once the tag is activated for cost allocation.
  cost_filter {
    name   = "TagKeyValue"
    values = [format("user:Environment$%s", var.name)]
  }

  dynamic "notification" {
    for_each = { ACTUAL = 80, FORECASTED = 100 }
    content {
      notification_type          = notification.key
      threshold                  = notification.value
      threshold_type             = "PERCENTAGE"
      comparison_operator        = "GREATER_THAN"
      subscriber_sns_topic_arns  = [aws_sns_topic.alarms.arn]
      subscriber_email_addresses = var.emails
    }
  }

  depends_on = [aws_sns_topic_policy.alarms]
}
