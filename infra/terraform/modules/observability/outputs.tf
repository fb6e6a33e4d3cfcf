output "topic_arn" {
  description = "Topic of all alarms."
  value       = aws_sns_topic.alarms.arn
}

output "sentences" {
  description = "What alarms look for in the tasks' log; a test holds it to what the code says."
  value       = local.sentences
}

output "alarms" {
  description = "Names of all alarms."
  value = sort(concat(
    [for alarm in aws_cloudwatch_metric_alarm.log : alarm.alarm_name],
    [for alarm in aws_cloudwatch_metric_alarm.cache : alarm.alarm_name],
    [for alarm in aws_cloudwatch_metric_alarm.database : alarm.alarm_name],
    [for alarm in aws_cloudwatch_metric_alarm.service : alarm.alarm_name],
    [for rule in aws_cloudwatch_event_rule.state : rule.name],
  ))
}
