# What each role may do, and what none may.

mock_provider "aws" {
  source          = "../../mocks"
  override_during = plan
}

variables {
  name                   = "nightshelf-test"
  bucket_arns            = { lake = "arn:aws:s3:::t-lake", deliveries = "arn:aws:s3:::t-deliveries", models = "arn:aws:s3:::t-models", logs = "arn:aws:s3:::t-logs" }
  key_arns               = { data = "arn:aws:kms:eu-west-1:123456789012:key/data", secrets = "arn:aws:kms:eu-west-1:123456789012:key/secrets" }
  secret_arns            = { user_key = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:user_key" }
  execution_secret_arns  = { storefront = ["arn:aws:secretsmanager:eu-west-1:123456789012:secret:user_key"] }
  repository_arns        = { airflow = "arn:aws:ecr:eu-west-1:123456789012:repository/a", storefront = "arn:aws:ecr:eu-west-1:123456789012:repository/s", training = "arn:aws:ecr:eu-west-1:123456789012:repository/t" }
  cache_arn              = "arn:aws:elasticache:eu-west-1:123456789012:replicationgroup:t"
  cache_user_arns        = { writer = "arn:aws:elasticache:eu-west-1:123456789012:user:w", reader = "arn:aws:elasticache:eu-west-1:123456789012:user:r" }
  emr_application_arn    = "arn:aws:emr-serverless:eu-west-1:123456789012:/applications/0"
  training_log_group_arn = "arn:aws:logs:eu-west-1:123456789012:log-group:training"
  task_log_group_arn     = "arn:aws:logs:eu-west-1:123456789012:log-group:tasks"
  state_file_system_arn  = "arn:aws:elasticfilesystem:eu-west-1:123456789012:file-system/fs"
  state_access_point_arn = "arn:aws:elasticfilesystem:eu-west-1:123456789012:access-point/ap"
}

run "least" {
  command = plan

  assert {
    condition = alltrue([
      for it in flatten(concat(
        [for document in data.aws_iam_policy_document.lake : document.statement],
        [for document in data.aws_iam_policy_document.execution : document.statement],
        data.aws_iam_policy_document.land.statement, data.aws_iam_policy_document.spark.statement,
        data.aws_iam_policy_document.lists.statement, data.aws_iam_policy_document.airflow.statement,
        data.aws_iam_policy_document.task_logs.statement, data.aws_iam_policy_document.mlflow.statement,
        data.aws_iam_policy_document.storefront.statement,
      )) : !anytrue([for action in it.actions : endswith(action, "*")])
    ])
    error_message = "No role may do `service:*`."
  }
  assert {
    condition = toset([
      for it in flatten(concat(
        [for document in data.aws_iam_policy_document.lake : document.statement],
        data.aws_iam_policy_document.land.statement, data.aws_iam_policy_document.spark.statement,
        data.aws_iam_policy_document.lists.statement, data.aws_iam_policy_document.airflow.statement,
        data.aws_iam_policy_document.task_logs.statement, data.aws_iam_policy_document.mlflow.statement,
        data.aws_iam_policy_document.storefront.statement,
      )) : it.sid if contains(it.resources, "*")
    ]) == toset(["WatchTraining"])
    error_message = "Only Batch's describing calls, which know no resource, may name *."
  }
  assert {
    condition = alltrue(flatten([
      for job, document in data.aws_iam_policy_document.lake : [
        for it in document.statement : [for resource in it.resources : startswith(resource, "arn:aws:s3:::t-lake/lake/") && resource != "arn:aws:s3:::t-lake/lake/*"]
        if it.sid == "WriteOwnTables"
      ]
    ]))
    error_message = "A job writes its own tables, never the whole lake."
  }
  assert {
    condition     = !contains(local.lake_tables.lists, "events") && !contains(local.lake_tables.training, "lists") && !contains(local.lake_tables.spark, "lists")
    error_message = "Jobs do not write each other's tables."
  }
  assert {
    condition     = one([for it in data.aws_iam_policy_document.lists.statement : it.resources if it.sid == "WriteRedis"]) == toset([var.cache_arn, var.cache_user_arns["writer"]])
    error_message = "Publishing logs in as the writer."
  }
  assert {
    condition     = one([for it in data.aws_iam_policy_document.storefront.statement : it.resources]) == toset([var.cache_arn, var.cache_user_arns["reader"]])
    error_message = "The storefront logs in as the reader and does nothing else."
  }
  assert {
    condition     = local.roles.dag_processor.policies == [] && !contains(local.roles.api_server.policies, "airflow")
    error_message = "Parsing and showing start nothing."
  }
  assert {
    condition     = one([for it in data.aws_iam_policy_document.airflow.statement : one(it.condition).variable if it.sid == "LendSparkItsRole"]) == "iam:PassedToService"
    error_message = "Airflow passes on one role, to EMR Serverless only."
  }
  assert {
    condition     = !contains([for it in data.aws_iam_policy_document.execution["training"].statement : it.sid], "HandOverSecrets") && contains([for it in data.aws_iam_policy_document.execution["storefront"].statement : it.sid], "HandOverSecrets")
    error_message = "Only containers with secrets have a role that reads some."
  }
}

run "the_scheduler_gets_what_it_runs_itself" {
  command = plan
  variables {
    local_jobs = ["spark"]
  }

  assert {
    condition     = contains(keys(aws_iam_role_policy_attachment.this), "scheduler/spark") && !contains(keys(aws_iam_role_policy_attachment.this), "scheduler/training")
    error_message = "Only jobs that run in the scheduler's container are its own."
  }
}

run "refuses" {
  command = plan
  variables {
    bucket_arns           = { lake = "arn:aws:s3:::*", deliveries = "arn:aws:s3:::d", models = "arn:aws:s3:::m", logs = "arn:aws:s3:::l" }
    key_arns              = { data = "arn:aws:kms:eu-west-1:123456789012:key/data" }
    secret_arns           = {}
    execution_secret_arns = { airflow = ["arn:aws:secretsmanager:eu-west-1:123456789012:secret:*"] }
    repository_arns       = {}
    cache_user_arns       = {}
    local_jobs            = ["everything"]
  }
  expect_failures = [
    var.bucket_arns, var.key_arns, var.secret_arns, var.execution_secret_arns, var.repository_arns, var.cache_user_arns,
    var.local_jobs,
  ]
}
