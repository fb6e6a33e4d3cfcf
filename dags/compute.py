"""Where a command runs: one typed setting, one table of commands, checked while the DAGs are read.

`COMPUTE` is the target of Spark jobs, `COMPUTE_TRAINING` that of training, `COMPUTE_JOBS` that of single commands
(JSON: `{"jobs.day": "emr-serverless"}`). `python -m dags.compute` prints what is in force. See docs/compute.md.
"""

import importlib.util
import json
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as UnreadableSetting

from lake.errors import BadInput
from lake.settings import Settings, SettingsError
from lake.settings import settings as pipeline_settings


class Target(StrEnum):
    """Where a command runs."""

    LOCAL = "local"
    SPARK_SUBMIT = "spark-submit"
    EMR_SERVERLESS = "emr-serverless"
    BATCH_GPU = "batch-gpu"


class Kind(StrEnum):
    """What a command needs, hence where it may run."""

    SPARK = "Spark"
    SCORING = "Spark where SCORING=spark, else a process"
    TRAINING = "training"
    PROCESS = "a process beside Airflow"


POSSIBLE: Mapping[Kind, frozenset[Target]] = {
    Kind.SPARK: frozenset({Target.LOCAL, Target.SPARK_SUBMIT, Target.EMR_SERVERLESS}),
    Kind.SCORING: frozenset({Target.LOCAL, Target.SPARK_SUBMIT, Target.EMR_SERVERLESS}),
    Kind.TRAINING: frozenset({Target.LOCAL, Target.BATCH_GPU}),
    Kind.PROCESS: frozenset({Target.LOCAL}),
}

JOBS: Mapping[str, Kind] = {
    "jobs.day": Kind.SPARK,
    "jobs.events": Kind.SPARK,
    "jobs.features": Kind.SPARK,
    "jobs.items": Kind.SPARK,
    "jobs.user_features": Kind.SPARK,
    "jobs.item_features": Kind.SPARK,
    "jobs.co_visitation": Kind.SPARK,
    "jobs.lists": Kind.SCORING,
    "models.training": Kind.TRAINING,
    "models.tuning": Kind.TRAINING,
    # They talk to the shop, to Redis or to the registry, and take seconds.
    "jobs.land": Kind.PROCESS,
    "jobs.impressions": Kind.PROCESS,
    "jobs.publish": Kind.PROCESS,
    "jobs.rollback": Kind.PROCESS,
    "jobs.experiment": Kind.PROCESS,
    "models.judging": Kind.PROCESS,
    "models.registry": Kind.PROCESS,
}
"""Every command that a DAG may run."""

PLANNING = "--plan"
"""With this argument a command only looks the lake up, in a process."""
ROLE = re.compile(r"arn:aws[\w-]*:iam::\d{12}:role/.+")
PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]+@")
EMR_DELTA = ",".join(f"/usr/share/aws/delta/lib/delta-{name}.jar" for name in ("spark", "storage"))
KUBERNETES = "airflow.providers.cncf.kubernetes"


class ComputeSettings(BaseSettings):
    """Targets and what they need. Every field is an environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    compute: Target = Field(Target.LOCAL, description="target of Spark jobs")
    compute_training: Target = Field(Target.LOCAL, description="target of training: local or batch-gpu")
    compute_jobs: dict[str, Target] = Field({}, description="JSON: command -> target, before the two above")
    compute_hours: int = Field(20, ge=1, le=168, description="a service ends a job after so many hours")
    compute_poll_seconds: int = Field(30, ge=1, description="pause between two questions how a job of a service does")

    spark_master: str = Field("", description="spark://HOST:PORT, yarn or k8s://https://HOST:PORT, for spark-submit")
    spark_deploy_mode: Literal["client", "cluster"] = "client"
    spark_conf: dict[str, str] = Field({}, description="JSON: further Spark properties, spark-submit and EMR")
    spark_py_files: str = Field("", description="zip of our code for executors that do not have it")
    spark_archives: str = Field(
        "", description="packed environment for YARN, for example s3a://b/env.tar.gz#environment"
    )
    spark_conn_id: str = Field("", description="Airflow connection with queue, keytab, ...; in place of SPARK_MASTER")

    image_home: str = Field("/opt/nightshelf", description="where our code lies in the images, beside .venv and .jars")
    image_python: str = Field("", description="the images' Python; default IMAGE_HOME/.venv/bin/python")
    emr_application_id: str = ""
    emr_execution_role_arn: str = ""
    emr_logs_uri: str = Field("", description="s3://bucket/prefix/ for the logs of drivers and executors")
    emr_jars: str = Field(EMR_DELTA, description="jars of Delta in EMR's own Spark, or s3:// addresses of others")
    user_key_secret: str = Field("", description="id in AWS Secrets Manager of USER_KEY, which EMR hands to the driver")
    batch_job_queue: str = ""
    batch_job_definition: str = ""
    aws_region: str = ""

    @field_validator("compute_jobs")
    @classmethod
    def _known(cls, chosen: dict[str, Target]) -> dict[str, Target]:
        if unknown := sorted(set(chosen) - set(JOBS)):
            raise ValueError(f"no such command: {', '.join(unknown)}; there are {', '.join(JOBS)}")
        return chosen

    def target(self, module: str, arguments: Any, scoring: str) -> Target:
        """Where a command runs.

        Args:
            arguments: its list of arguments, or a task's output that is one.
            scoring: the pipeline's `SCORING`.

        Raises:
            BadInput: the table `JOBS` lacks the command.
        """
        if module not in JOBS:
            raise BadInput(f"{module} is not in dags.compute.JOBS; say there what it needs")
        kind = JOBS[module]
        if kind is Kind.PROCESS or (isinstance(arguments, list) and PLANNING in arguments):
            return Target.LOCAL
        if (chosen := self.compute_jobs.get(module)) is not None:
            return chosen
        if kind is Kind.TRAINING:
            return self.compute_training
        return Target.LOCAL if kind is Kind.SCORING and scoring != "spark" else self.compute

    def used(self) -> set[Target]:
        """Every target but `local` that some command has."""
        return {self.compute, self.compute_training, *self.compute_jobs.values()} - {Target.LOCAL}

    def faults(self, pipeline: Settings) -> list[str]:
        """What contradicts itself or is missing, each with the variable to set."""
        return [*self._impossible(), *self._spark(), *self._emr(pipeline), *self._batch(pipeline)]

    def _impossible(self) -> Iterable[str]:
        defaults = (("COMPUTE", Kind.SPARK, self.compute), ("COMPUTE_TRAINING", Kind.TRAINING, self.compute_training))
        chosen = ((f"COMPUTE_JOBS: {module}", JOBS[module], target) for module, target in self.compute_jobs.items())
        for name, kind, target in (*defaults, *chosen):
            if target not in POSSIBLE[kind]:
                yield f"{name}={target}: it needs {kind}; give {' or '.join(sorted(POSSIBLE[kind]))}"

    def _spark(self) -> Iterable[str]:
        if Target.SPARK_SUBMIT not in self.used() or self.spark_conn_id:
            return
        master, cluster = self.spark_master, self.spark_deploy_mode == "cluster"
        if not master or master.startswith("local"):
            yield f"SPARK_MASTER={master or '(unset)'}: spark-submit needs spark://HOST:PORT, yarn or k8s://https://..."
        if master.startswith("spark://") and cluster:
            yield "SPARK_DEPLOY_MODE=cluster: a standalone master takes no Python driver; give client"
        if master.startswith("k8s://") and not _installed(KUBERNETES):
            yield f"SPARK_MASTER={master}: install apache-airflow-providers-cncf-kubernetes beside Airflow"

    def _emr(self, pipeline: Settings) -> Iterable[str]:
        if Target.EMR_SERVERLESS not in self.used():
            return
        if not self.emr_application_id:
            yield "EMR_APPLICATION_ID is unset: the id of the EMR Serverless application"
        if not ROLE.fullmatch(self.emr_execution_role_arn):
            role = self.emr_execution_role_arn or "(unset)"
            yield f"EMR_EXECUTION_ROLE_ARN={role}: expected arn:aws:iam::ACCOUNT:role/NAME"
        if self.emr_logs_uri and not self.emr_logs_uri.startswith("s3://"):
            yield f"EMR_LOGS_URI={self.emr_logs_uri}: expected s3://bucket/prefix/"
        if pipeline.pseudonymise and not self.user_key_secret:
            yield "USER_KEY_SECRET is unset: PSEUDONYMISE is on, and the key may not stand in a job's parameters"
        yield from _elsewhere(Target.EMR_SERVERLESS, pipeline, registry=pipeline.scoring == "spark")

    def _batch(self, pipeline: Settings) -> Iterable[str]:
        if Target.BATCH_GPU not in self.used():
            return
        if not self.batch_job_queue:
            yield "BATCH_JOB_QUEUE is unset: name or ARN of the queue with GPUs"
        if not self.batch_job_definition:
            yield "BATCH_JOB_DEFINITION is unset: name or ARN of the definition with the training image"
        yield from _elsewhere(Target.BATCH_GPU, pipeline, registry=True)


def _elsewhere(target: Target, pipeline: Settings, *, registry: bool) -> Iterable[str]:
    """What a job on a machine of AWS could not reach."""
    if not pipeline.lake_root.startswith(("s3://", "s3a://")):
        yield f"LAKE_ROOT={pipeline.lake_root}: {target} cannot see this machine's folders; give s3a://bucket/prefix"
    if PASSWORD.search(pipeline.mlflow_tracking_uri):
        yield "MLFLOW_TRACKING_URI holds a password, which would stand in a job's parameters; give it without"
    elif registry and not re.match(r"https?://(?!127\.|localhost)", pipeline.mlflow_tracking_uri):
        yield f"MLFLOW_TRACKING_URI={pipeline.mlflow_tracking_uri}: {target} needs a server that it can reach"


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@lru_cache(maxsize=1)
def current() -> ComputeSettings:
    """The targets in force, read from the environment at the first call.

    Raises:
        SettingsError: a variable is missing or wrong; every fault is named, with the variable to set.
    """
    try:
        found = ComputeSettings()
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc'])).upper()}={e['input']!r}: {e['msg']}" for e in error.errors()]
    except UnreadableSetting as error:
        faults = [f"{error}: COMPUTE_JOBS and SPARK_CONF are JSON objects"]
    else:
        faults = found.faults(pipeline_settings()) if found.used() else []
    if faults:
        raise SettingsError(f"wrong compute settings: {'; '.join(faults)}. See docs/compute.md.")
    return found


def target_of(module: str, arguments: Any) -> Target:
    """Where a command runs under the settings in force.

    Raises:
        SettingsError: they contradict themselves.
        BadInput: the table `JOBS` lacks the command.
    """
    found = current()
    # With everything at home the pipeline's settings are the jobs' own business.
    return found.target(module, arguments, pipeline_settings().scoring if found.used() else "local")


if __name__ == "__main__":
    where = {module: target_of(module, []) for module in JOBS}
    print(json.dumps({"settings": current().model_dump(mode="json"), "commands": where}, indent=2))
