# Wiring: what one module makes is what the other is given. And what is refused.

mock_provider "aws" {
  source          = "../../mocks"
  override_during = plan
}

variables {
  name               = "nightshelf-test"
  protect            = false
  availability_zones = ["eu-west-1a", "eu-west-1b"]
  image_tag          = "0.5.0"
  source_yaml        = "sources/demo_shop.yaml"
  monthly_budget_usd = 100
  database           = { instance_class = "db.t4g.small", storage_gib = 20, multi_az = false, backup_days = 1 }
  cache              = { node_type = "cache.t4g.small", replicas = 0, multi_az = false, snapshot_days = 0 }
  storefront         = { cpu = 256, memory_mib = 512, count = 1 }
  secret_values = {
    user_key         = "0123456789abcdef0123456789abcdef"
    airflow_api      = "0123456789abcdef0123456789abcdef"
    airflow_jwt      = "0123456789abcdef0123456789abcdef"
    airflow_fernet   = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
    airflow_admin    = "0123456789abcdef0123456789abcdef"
    database_master  = "0123456789abcdef0123456789abcdef"
    database_airflow = "0123456789abcdef0123456789abcdef"
    database_mlflow  = "0123456789abcdef0123456789abcdef"
  }
  database_passwords = { master = "0123456789abcdef", airflow = "0123456789abcdef", mlflow = "0123456789abcdef" }
}

run "wired" {
  command = plan

  assert {
    condition     = output.environment["COMPUTE"] == "emr-serverless" && output.environment["COMPUTE_TRAINING"] == "batch-gpu" && output.environment["EMR_APPLICATION_ID"] == "00mocked"
    error_message = "Airflow must be told where Spark and training run."
  }
  assert {
    condition     = output.environment["EMR_EXECUTION_ROLE_ARN"] == module.iam.role_arns["spark"] && startswith(output.environment["EMR_LOGS_URI"], "s3://")
    error_message = "Airflow passes on Spark's role and says where its log goes."
  }
  assert {
    condition     = output.environment["BATCH_JOB_QUEUE"] == "nightshelf-test-training" && output.environment["BATCH_JOB_DEFINITION"] == "nightshelf-test-training"
    error_message = "Airflow trains on Batch's queue."
  }
  assert {
    condition     = startswith(output.environment["REDIS_URL"], "rediss://nightshelf-test-writer@") && startswith(output.storefront_environment["REDIS_URL"], "rediss://nightshelf-test-reader@")
    error_message = "Airflow writes lists, the storefront only reads them."
  }
  assert {
    condition     = output.environment["MLFLOW_TRACKING_URI"] == output.mlflow_url && output.environment["LAKE_ROOT"] == module.data_lake.lake_root
    error_message = "Jobs find MLflow and the lake."
  }
  assert {
    condition     = length(output.alarms) == 5 + 3 + 3 + 6 + 2
    error_message = "Every alarm is there: log, cache, database, services, events."
  }
  assert {
    condition     = jsonencode(output.services) == jsonencode({ api-server = 1, dag-processor = 1, mlflow = 1, scheduler = 1, storefront = 1, triggerer = 1 })
    error_message = "Every service runs."
  }
}

run "no_service_runs_yet" {
  command = plan
  variables {
    services_running = false
  }

  assert {
    condition     = jsonencode(output.services) == jsonencode({ api-server = 0, dag-processor = 0, mlflow = 0, scheduler = 0, storefront = 0, triggerer = 0 })
    error_message = "Every service stands, and none runs."
  }
  assert {
    condition     = length(output.alarms) == 5 + 3 + 3 + 2
    error_message = "Nobody is told that a service is down which should not run."
  }
  assert {
    condition     = output.run_task.families["migrate"] == "nightshelf-test-migrate" && length(output.run_task.subnets) == 2
    error_message = "What `run migrate` needs is there."
  }
}

run "settings_may_be_overridden" {
  command = plan
  variables {
    settings = { PUBLISH_WORKERS = "4", THREADS = "8", BATCH_JOB_QUEUE = "nightshelf-test-training-on-demand" }
  }

  assert {
    condition     = output.environment["PUBLISH_WORKERS"] == "4" && output.environment["THREADS"] == "8" && output.environment["BATCH_JOB_QUEUE"] == "nightshelf-test-training-on-demand"
    error_message = "A given setting goes to the jobs, and wins."
  }
}

run "refuses" {
  command = plan
  variables {
    image_tag        = "latest"
    source_yaml      = "/etc/passwd"
    compute          = "emr"
    compute_training = "gpu"
  }
  expect_failures = [var.image_tag, var.source_yaml, var.compute, var.compute_training]
}

# By itself: settings are not looked at where `compute` is wrong already.
run "refuses_secrets_among_settings" {
  command = plan
  variables {
    settings = { USER_KEY = "0123456789abcdef" }
  }
  expect_failures = [var.settings]
}

run "refuses_lists_on_emr" {
  command = plan
  variables {
    settings = { SCORING = "spark" }
  }
  expect_failures = [var.settings]
}

run "refuses_lists_on_emr_by_their_own_setting" {
  command = plan
  variables {
    settings = { COMPUTE_JOBS = "{\"jobs.lists\": \"emr-serverless\"}" }
  }
  expect_failures = [var.settings]
}

run "refuses_lists_on_emr_when_compute_is_overridden" {
  command = plan
  variables {
    compute  = "local"
    settings = { SCORING = "spark", COMPUTE = "emr-serverless" }
  }
  expect_failures = [var.settings]
}

run "lists_by_spark_in_the_schedulers_container" {
  command = plan
  variables {
    settings = { SCORING = "spark", COMPUTE_JOBS = "{\"jobs.lists\": \"local\"}" }
  }

  assert {
    condition     = output.environment["SCORING"] == "spark" && output.environment["COMPUTE"] == "emr-serverless"
    error_message = "Lists may use Spark where they can be written."
  }
}
