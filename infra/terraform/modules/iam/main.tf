# A role for each job and each service. Policies of jobs stand by themselves, because Airflow's scheduler runs `land` and
# `lists` in its own container (LocalExecutor) and therefore holds both; Spark and training run elsewhere under their own.

data "aws_caller_identity" "current" {}
data "aws_region" "current" {}
data "aws_partition" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  region    = data.aws_region.current.name
  partition = data.aws_partition.current.partition

  # Who may take a role on.
  trusts = {
    ecs = "ecs-tasks.amazonaws.com"
    emr = "emr-serverless.amazonaws.com"
    ec2 = "ec2.amazonaws.com"
  }
  roles = {
    land          = { trust = "ecs", does = "takes deliveries into the lake", policies = ["land"] }
    spark         = { trust = "emr", does = "cleans events and makes features", policies = ["spark"] }
    lists         = { trust = "ecs", does = "makes lists, publishes them, rolls back", policies = ["lists"] }
    training      = { trust = "ecs", does = "trains on Batch", policies = ["training"] }
    scheduler     = { trust = "ecs", does = "runs Airflow's tasks", policies = concat(["land", "lists", "airflow", "task_logs"], sort(var.local_jobs)) }
    triggerer     = { trust = "ecs", does = "waits for Spark and Batch", policies = ["airflow", "task_logs"] }
    api_server    = { trust = "ecs", does = "shows Airflow and its logs", policies = ["task_logs"] }
    dag_processor = { trust = "ecs", does = "parses DAGs", policies = [] }
    mlflow        = { trust = "ecs", does = "keeps models", policies = ["mlflow"] }
    storefront    = { trust = "ecs", does = "reads lists", policies = ["storefront"] }
    gpu_instance  = { trust = "ec2", does = "is a GPU instance of Batch", policies = [] }
  }
  grants = merge([
    for role, it in local.roles : { for policy in it.policies : "${role}/${policy}" => { role = role, policy = policy } }
  ]...)

  # Execution roles: what ECS itself may do to start a container - pull its image, hand it its secrets, open its log.
  executions = {
    airflow    = ["airflow"]
    jobs       = ["airflow"] # run by hand: the same image, fewer secrets
    migrate    = ["airflow"] # sees the database's master password, and runs for a minute
    mlflow     = ["airflow"]
    storefront = ["storefront"]
    training   = ["training"]
  }

  lake_tables = {
    land     = ["deliveries", "impressions", "refused_impressions", "partitions"]
    spark    = ["events", "items", "item_sightings", "users", "quarantine", "user_features", "item_features", "co_visitation", "partitions"]
    lists    = ["lists", "list_recipes", "decisions", "experiments", "partitions"]
    training = ["decisions"]
  }
  # Beside its tables `land` keeps the files as delivered; the others hand over files and results through `_staging`.
  written = {
    for job, tables in local.lake_tables : job => concat(
      [for table in tables : "${var.bucket_arns["lake"]}/lake/${table}/*"],
      ["${var.bucket_arns["lake"]}/lake/${job == "land" ? "raw" : "_staging"}/*"],
    )
  }
}

# ---- what each job may do

data "aws_iam_policy_document" "lake" {
  for_each = local.written

  statement {
    sid       = "ReadLake"
    actions   = ["s3:GetObject"]
    resources = ["${var.bucket_arns["lake"]}/lake/*"]
  }
  statement {
    sid       = "ListLake"
    actions   = ["s3:ListBucket"]
    resources = [var.bucket_arns["lake"]]
    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["lake", "lake/*"]
    }
  }
  statement {
    sid       = "WriteOwnTables"
    actions   = ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    resources = each.value
  }
  statement {
    sid       = "UseDataKey"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.key_arns["data"]]
  }
}

data "aws_iam_policy_document" "land" {
  source_policy_documents = [data.aws_iam_policy_document.lake["land"].json]
  statement {
    sid       = "ReadDeliveries"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = ["${var.bucket_arns["deliveries"]}/*"]
  }
  # Without it S3 answers 403, not 404, for a delivery that has not come, and `land` could not wait for it.
  statement {
    sid       = "SeeThatNothingCame"
    actions   = ["s3:ListBucket"]
    resources = [var.bucket_arns["deliveries"]]
  }
}

data "aws_iam_policy_document" "spark" {
  source_policy_documents = [data.aws_iam_policy_document.lake["spark"].json]
  statement {
    sid       = "WriteLogs"
    actions   = ["s3:PutObject"]
    resources = ["${var.bucket_arns["logs"]}/spark/*"]
  }
  statement {
    sid       = "ListLogs"
    actions   = ["s3:ListBucket"]
    resources = [var.bucket_arns["logs"]]
    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["spark/*"]
    }
  }
  statement {
    sid       = "ReadPseudonymsKey"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [var.secret_arns["user_key"]]
  }
  statement {
    sid       = "OpenSecrets"
    actions   = ["kms:Decrypt"]
    resources = [var.key_arns["secrets"]]
  }
}

data "aws_iam_policy_document" "lists" {
  source_policy_documents = [data.aws_iam_policy_document.lake["lists"].json]
  statement {
    sid       = "WriteRedis"
    actions   = ["elasticache:Connect"]
    resources = [var.cache_arn, var.cache_user_arns["writer"]]
  }
}

data "aws_iam_policy_document" "training" {
  source_policy_documents = [data.aws_iam_policy_document.lake["training"].json]
}

data "aws_iam_policy_document" "airflow" {
  statement {
    sid       = "StartSpark"
    actions   = ["emr-serverless:StartJobRun", "emr-serverless:GetApplication", "emr-serverless:StartApplication"]
    resources = [var.emr_application_arn]
  }
  statement {
    sid       = "WatchSpark"
    actions   = ["emr-serverless:GetJobRun", "emr-serverless:CancelJobRun", "emr-serverless:ListJobRuns", "emr-serverless:GetDashboardForJobRun"]
    resources = [var.emr_application_arn, "${var.emr_application_arn}/jobruns/*"]
  }
  statement {
    sid       = "LendSparkItsRole"
    actions   = ["iam:PassRole"]
    resources = [aws_iam_role.this["spark"].arn]
    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["emr-serverless.amazonaws.com"]
    }
  }
  statement {
    sid     = "Train"
    actions = ["batch:SubmitJob"]
    resources = concat(
      ["arn:${local.partition}:batch:${local.region}:${local.account}:job-definition/${var.name}-training*"],
      ["arn:${local.partition}:batch:${local.region}:${local.account}:job-queue/${var.name}-training*"],
    )
  }
  statement {
    sid       = "StopTraining"
    actions   = ["batch:TerminateJob", "batch:CancelJob"]
    resources = ["arn:${local.partition}:batch:${local.region}:${local.account}:job/*"]
  }
  statement {
    sid       = "WatchTraining" # Batch knows no resource for these
    actions   = ["batch:DescribeJobs", "batch:ListJobs", "batch:DescribeJobDefinitions", "batch:DescribeJobQueues"]
    resources = ["*"]
  }
  statement {
    sid       = "ReadTrainingLog"
    actions   = ["logs:GetLogEvents", "logs:DescribeLogStreams"]
    resources = ["${var.training_log_group_arn}:*"]
  }
  statement {
    sid       = "ReadSparkLog"
    actions   = ["s3:GetObject"]
    resources = ["${var.bucket_arns["logs"]}/spark/*"]
  }
}

data "aws_iam_policy_document" "task_logs" {
  statement {
    sid       = "TaskLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:GetLogEvents", "logs:DescribeLogStreams"]
    resources = ["${var.task_log_group_arn}:*"]
  }
  statement {
    sid       = "MountState"
    actions   = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
    resources = [var.state_file_system_arn]
    condition {
      test     = "StringEquals"
      variable = "elasticfilesystem:AccessPointArn"
      values   = [var.state_access_point_arn]
    }
  }
}

data "aws_iam_policy_document" "mlflow" {
  statement {
    sid       = "Models"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    resources = ["${var.bucket_arns["models"]}/*"]
  }
  statement {
    sid       = "ListModels"
    actions   = ["s3:ListBucket"]
    resources = [var.bucket_arns["models"]]
  }
  statement {
    sid       = "UseDataKey"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.key_arns["data"]]
  }
}

data "aws_iam_policy_document" "storefront" {
  statement {
    sid       = "ReadRedis"
    actions   = ["elasticache:Connect"]
    resources = [var.cache_arn, var.cache_user_arns["reader"]]
  }
}

locals {
  documents = {
    land       = data.aws_iam_policy_document.land.json
    spark      = data.aws_iam_policy_document.spark.json
    lists      = data.aws_iam_policy_document.lists.json
    training   = data.aws_iam_policy_document.training.json
    airflow    = data.aws_iam_policy_document.airflow.json
    task_logs  = data.aws_iam_policy_document.task_logs.json
    mlflow     = data.aws_iam_policy_document.mlflow.json
    storefront = data.aws_iam_policy_document.storefront.json
  }
}

resource "aws_iam_policy" "this" {
  for_each    = local.documents
  name        = "${var.name}-${each.key}"
  description = "Nightshelf: what ${each.key} may do"
  policy      = each.value
}

# ---- the roles

data "aws_iam_policy_document" "trust" {
  for_each = local.trusts
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = [each.value]
    }
    # EC2 does not say for whom it asks.
    dynamic "condition" {
      for_each = each.key == "ec2" ? [] : [1]
      content {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [local.account]
      }
    }
  }
}

resource "aws_iam_role" "this" {
  for_each             = local.roles
  name                 = "${var.name}-${replace(each.key, "_", "-")}"
  description          = "Nightshelf: ${each.value.does}"
  assume_role_policy   = data.aws_iam_policy_document.trust[each.value.trust].json
  permissions_boundary = var.permissions_boundary_arn
  max_session_duration = 43200 # a training may take 6 h
}

resource "aws_iam_role_policy_attachment" "this" {
  for_each   = local.grants
  role       = aws_iam_role.this[each.value.role].name
  policy_arn = aws_iam_policy.this[each.value.policy].arn
}

resource "aws_iam_role_policy_attachment" "gpu_instance" {
  role       = aws_iam_role.this["gpu_instance"].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
}

resource "aws_iam_instance_profile" "gpu_instance" {
  name = "${var.name}-gpu-instance"
  role = aws_iam_role.this["gpu_instance"].name
}

# ---- execution roles

data "aws_iam_policy_document" "execution" {
  for_each = local.executions

  statement {
    sid       = "EcrLogin" # knows no resource
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }
  statement {
    sid       = "Pull"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [for image in each.value : var.repository_arns[image]]
  }
  statement {
    sid       = "OpenLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/nightshelf/${var.name}/*"]
  }
  dynamic "statement" {
    for_each = length(lookup(var.execution_secret_arns, each.key, [])) > 0 ? [1] : []
    content {
      sid       = "HandOverSecrets"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = var.execution_secret_arns[each.key]
    }
  }
  dynamic "statement" {
    for_each = length(lookup(var.execution_secret_arns, each.key, [])) > 0 ? [1] : []
    content {
      sid       = "OpenSecrets"
      actions   = ["kms:Decrypt"]
      resources = [var.key_arns["secrets"]]
    }
  }
}

resource "aws_iam_role" "execution" {
  for_each             = local.executions
  name                 = "${var.name}-${each.key}-execution"
  description          = "Nightshelf: starts containers of ${each.key}"
  assume_role_policy   = data.aws_iam_policy_document.trust["ecs"].json
  permissions_boundary = var.permissions_boundary_arn
}

resource "aws_iam_role_policy" "execution" {
  for_each = local.executions
  name     = "start-containers"
  role     = aws_iam_role.execution[each.key].id
  policy   = data.aws_iam_policy_document.execution[each.key].json
}
