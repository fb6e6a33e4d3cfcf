"""What an Airflow would have set for each compute target."""

from typing import Any

ROLE = "arn:aws:iam::123456789012:role/spark"
MASTER = "spark://master:7077"
AWS = {
    "LAKE_ROOT": "s3a://lake/nightshelf",
    "MLFLOW_TRACKING_URI": "http://mlflow.internal:5000",
    "AWS_REGION": "us-east-1",
    "SCORING": "spark",
}
ENVIRONMENTS: dict[str, dict[str, str]] = {
    "local": {},
    "spark-submit": {"COMPUTE": "spark-submit", "SPARK_MASTER": MASTER, "SCORING": "spark"},
    "emr-serverless": AWS
    | {
        "COMPUTE": "emr-serverless",
        "EMR_APPLICATION_ID": "00application",
        "EMR_EXECUTION_ROLE_ARN": ROLE,
        "EMR_LOGS_URI": "s3://logs/emr/",
        "USER_KEY_SECRET": "nightshelf/user_key",
    },
    "batch-gpu": AWS
    | {"COMPUTE_TRAINING": "batch-gpu", "BATCH_JOB_QUEUE": "gpu", "BATCH_JOB_DEFINITION": "nightshelf-training"},
}
SECRETS = {
    "USER_KEY": "key-of-the-pseudonyms-01",
    "REDIS_URL": "rediss://lists:password-of-redis@redis:6379/0",
    "AWS_SECRET_ACCESS_KEY": "secret-of-aws",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql://airflow:password-of-airflow@db/airflow",
}
VARIABLES = sorted({name for each in ENVIRONMENTS.values() for name in each} | set(SECRETS))


def forget() -> None:
    """Settings are read once a process; here they change."""
    from dags.compute import current
    from lake.settings import settings

    current.cache_clear()
    settings.cache_clear()


def apply(patch: Any, given: dict[str, str]) -> None:
    """Set these variables and none of the other targets'."""
    names = ("COMPUTE", "COMPUTE_JOBS", "COMPUTE_HOURS", "SPARK_CONF", "SPARK_DEPLOY_MODE", "SPARK_CONN_ID")
    for name in (*VARIABLES, *names, "SOURCE", "SURFACES", "VAR", "PSEUDONYMISE"):
        patch.delenv(name, raising=False)
    for name, value in given.items():
        patch.setenv(name, value)
    forget()
