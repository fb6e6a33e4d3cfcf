"""Commands on other machines, by the providers' own operators: the same arguments, results, exit codes and retries.

A command is started through `lake.run`, which leaves its exit code and result in the lake (`lake.outcome`); what a
service tells besides is only whether it is still running. Imported only where a target other than `local` is set.
"""

import asyncio
import hashlib
import json
import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.providers.amazon.aws.operators.batch import BatchOperator
from airflow.providers.amazon.aws.operators.emr import EmrServerlessStartJobOperator
from airflow.providers.amazon.aws.triggers.batch import BatchJobTrigger
from airflow.providers.apache.spark.hooks.spark_submit import SparkSubmitHook
from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import BaseOperator, Connection, Context
from airflow.sdk.exceptions import AirflowException

from dags import handed_over
from dags.commands import RUN, ReportLink, conclude, end_group, failure, job_environment, tied
from dags.compute import ComputeSettings, Target, current
from dags.lineage import TellsLineage
from dags.policy import HOME
from lake import outcome
from lake.settings import settings as pipeline_settings
from lake.spark_options import quietly, started_elsewhere, started_with

LAUNCHER = "jobs/run.py"
EMR_DRIVER, EMR_SECRET = "spark.emr-serverless.driverEnv", "EMR.secret@"
EXECUTOR = "spark.executorEnv"


class Elsewhere(TellsLineage):
    """What the operators have in common. Mixed into one of a provider, which starts the command and waits for it."""

    module: str
    arguments: Any
    report: str | None
    needs: str | None
    log: Any

    def _keep(self, module: str, arguments: Any, report: str | None, needs: str | None) -> None:
        self.module, self.arguments, self.report, self.needs = module, arguments, report, needs

    def outcome_name(self, context: Context) -> str:
        """One name a try, also after a deferral."""
        ti = context["ti"]
        words = (ti.dag_id, ti.run_id, ti.task_id, ti.map_index, ti.try_number)
        return f"outcome-{hashlib.sha256('/'.join(map(str, words)).encode()).hexdigest()[:24]}"

    def words(self, context: Context) -> list[str]:
        """The arguments of `lake.run`; one that renders empty is left out."""
        return ["--outcome", self.outcome_name(context), self.module, *(a for a in map(str, self.arguments) if a)]

    def settle(self, context: Context, code: int | None = None, *, repeat: bool = True) -> dict[str, Any]:
        """The result of a command that has ended; its failure as of a process.

        Args:
            code: its exit code as the service saw it, where it did; asked only if the command left no outcome.
            repeat: whether the end of its log is not in this task's log yet.
        """
        told = outcome.take(pipeline_settings(), self.outcome_name(context))
        for line in told.log if told and repeat else ():
            self.log.info("%s", line)
        if code := told.code if told else code:
            raise failure(self.module, code, context["ti"].try_number)
        if told is None or told.result is None:
            raise AirflowException(f"{self.module} ended and left no outcome: it was killed, or its machine was lost")
        return conclude(self.log, self.module, told.result, self.needs)


class Submission(SparkSubmitHook):
    """spark-submit as one of our processes: the job's environment only, and a process group that ends with the task."""

    def __init__(self, settings: ComputeSettings, environment: dict[str, str] | None, **kwargs: Any) -> None:
        self._settings, self._environment = settings, environment
        super().__init__(conn_id=settings.spark_conn_id or "SPARK_MASTER", **kwargs)

    def get_connection(self, conn_id: str) -> Any:
        """The connection of SPARK_CONN_ID; without one, SPARK_MASTER in the shape of one."""
        if self._settings.spark_conn_id:
            return super().get_connection(conn_id)
        extra = json.dumps({"deploy-mode": self._settings.spark_deploy_mode})
        return Connection(conn_id=conn_id, conn_type="spark", host=self._settings.spark_master, extra=extra)

    def submit(self, application: str = "", **kwargs: Any) -> str | None:
        return super().submit(application, env=self._environment, cwd=str(HOME), start_new_session=True, **kwargs)

    def _get_spark_binary_path(self) -> list[str]:
        return [*tied(), *super()._get_spark_binary_path()]

    @property
    def process(self) -> Any:
        """The running or ended spark-submit."""
        return self._submit_sp


class SparkSubmitCommand(Elsewhere, SparkSubmitOperator):
    """A Spark job through spark-submit. With `client`, the driver is a process of this machine, its log the task's."""

    template_fields: Sequence[str] = (*SparkSubmitOperator.template_fields, "arguments", "report")
    operator_extra_links = (ReportLink(),)

    def __init__(
        self, *, module: str, arguments: Any, report: str | None = None, needs: str | None = None, **kwargs: Any
    ) -> None:
        chosen, pipeline = current(), pipeline_settings()
        self._keep(module, arguments, report, needs)
        self.client = chosen.spark_deploy_mode == "client"
        told = {}
        if self.client:
            options = started_with(pipeline) | quietly(os.environ.get("SPARK_LOG_LEVEL") or "ERROR")
        else:
            told = handed_over.environment(os.environ, pipeline, chosen.image_home, RUN)
            options = started_elsewhere(pipeline, f"{chosen.image_home}/.jars")
            options[f"{EXECUTOR}.PYTHONPATH"] = chosen.image_home
        super().__init__(
            application=f"{HOME}/{LAUNCHER}" if self.client else f"local://{chosen.image_home}/{LAUNCHER}",
            name=f"nightshelf-{module}",
            conf=options | chosen.spark_conf,
            py_files=chosen.spark_py_files or None,
            archives=chosen.spark_archives or None,
            env_vars=told or None,
            durable=False,  # a job that runs twice makes the same; to find a lost one again needs a REST API more
            **kwargs,
        )

    def _get_hook(self) -> SparkSubmitHook:
        own = HOME / ".venv" / "bin" / "spark-submit"
        return Submission(
            current(),
            self._process_environment if self.client else None,
            conf=self.conf,
            py_files=self.py_files,
            archives=self._archives,
            name=self.name,
            application_args=self.application_args,
            env_vars=self.env_vars,
            spark_binary=str(own) if own.exists() else None,
        )

    def execute(self, context: Context) -> dict[str, Any]:
        self._process_environment = job_environment(os.environ, context["dag_run"].run_id)
        self.application_args = self.words(context)
        try:
            super().execute(context)
        except (AirflowException, RuntimeError) as error:
            self.log.warning("%s", str(error).splitlines()[0])
        process = self._hook.process if isinstance(self._hook, Submission) else None
        seen = process.returncode if self.client and process is not None else None
        return self.settle(context, seen, repeat=not self.client)

    def on_kill(self) -> None:
        if not self.client:
            super().on_kill()
        elif isinstance(self._hook, Submission) and self._hook.process is not None:
            end_group(self._hook.process)


class ServerlessCommand(Elsewhere, EmrServerlessStartJobOperator):
    """A Spark job on EMR Serverless; the task waits deferred, without a worker."""

    template_fields: Sequence[str] = (*EmrServerlessStartJobOperator.template_fields, "arguments", "report")
    operator_extra_links = (*EmrServerlessStartJobOperator.operator_extra_links, ReportLink())

    def __init__(
        self, *, module: str, arguments: Any, report: str | None = None, needs: str | None = None, **kwargs: Any
    ) -> None:
        chosen = current()
        self._keep(module, arguments, report, needs)
        logs = {"s3MonitoringConfiguration": {"logUri": chosen.emr_logs_uri}} if chosen.emr_logs_uri else {}
        properties = {"classification": "spark-defaults", "properties": _emr_properties(chosen)}
        super().__init__(
            application_id=chosen.emr_application_id,
            execution_role_arn=chosen.emr_execution_role_arn,
            job_driver={"sparkSubmit": {"entryPoint": f"local://{chosen.image_home}/{LAUNCHER}"}},
            configuration_overrides={
                "applicationConfiguration": [properties],
                **({"monitoringConfiguration": logs} if logs else {}),
            },
            config={"executionTimeoutMinutes": chosen.compute_hours * 60},
            name=f"nightshelf-{module}",
            deferrable=True,
            waiter_delay=chosen.compute_poll_seconds,
            waiter_max_attempts=chosen.compute_hours * 3600 // chosen.compute_poll_seconds + 1,
            aws_conn_id=None,
            region_name=chosen.aws_region or None,
            **kwargs,
        )

    def execute(self, context: Context, event: dict[str, Any] | None = None) -> str | None:
        self.job_driver["sparkSubmit"]["entryPointArguments"] = self.words(context)
        self.client_request_token = self.outcome_name(context)  # the same try is never started twice
        return super().execute(context, event)

    def defer(self, *, trigger: Any, kwargs: dict[str, Any] | None = None, **more: Any) -> None:
        # A failed waiter's event does not name the job.
        given = {"job_id": self.job_id} if self.job_id else {}
        super().defer(trigger=trigger, kwargs={**(kwargs or {}), **given} or None, **more)

    def execute_complete(
        self, context: Context, event: dict[str, Any] | None = None, job_id: str | None = None
    ) -> dict[str, Any]:
        if (event or {}).get("status") != "success" and job_id:
            self.log.warning("%s", (event or {}).get("message", event))
            job = self.hook.conn.get_job_run(applicationId=self.application_id, jobRunId=job_id)["jobRun"]
            if job["state"] not in self.hook.JOB_TERMINAL_STATES:
                self.hook.conn.cancel_job_run(applicationId=self.application_id, jobRunId=job_id)
        return self.settle(context)


def _emr_properties(chosen: ComputeSettings) -> dict[str, str]:
    pipeline, home = pipeline_settings(), chosen.image_home
    told = handed_over.environment(os.environ, pipeline, home, RUN)
    python = {"PYSPARK_PYTHON": chosen.image_python or f"{home}/.venv/bin/python"}
    driver = told | python | {"PYSPARK_DRIVER_PYTHON": python["PYSPARK_PYTHON"]}
    if pipeline.pseudonymise:
        driver["USER_KEY"] = f"{EMR_SECRET}{chosen.user_key_secret}"
    return {
        # EMR's own class path and sizes of workers stand; to give others here would replace them.
        "spark.jars": chosen.emr_jars,
        **{f"{EMR_DRIVER}.{name}": value for name, value in driver.items()},
        **{f"{EXECUTOR}.{name}": value for name, value in {**python, "PYTHONPATH": home}.items()},
        **chosen.spark_conf,
    }


class BatchTrigger(BatchJobTrigger):
    """Waits for a job of AWS Batch, and ends it if somebody ends the waiting task."""

    async def on_kill(self) -> None:
        job = self.serialized_fields["job_id"]
        await asyncio.to_thread(self.hook().conn.terminate_job, jobId=job, reason="the task was ended")


class BatchCommand(Elsewhere, BatchOperator):
    """Training on AWS Batch; the task waits deferred, and the job's log is shown once it has ended."""

    template_fields: Sequence[str] = (*BatchOperator.template_fields, "arguments", "report")
    operator_extra_links = (*BatchOperator.operator_extra_links, ReportLink())

    def __init__(
        self, *, module: str, arguments: Any, report: str | None = None, needs: str | None = None, **kwargs: Any
    ) -> None:
        chosen = current()
        self._keep(module, arguments, report, needs)
        told = handed_over.environment(os.environ, pipeline_settings(), chosen.image_home, RUN)
        told = {"ACCELERATOR": "gpu"} | told
        super().__init__(
            job_name=f"nightshelf-{module.replace('.', '-')}",
            job_queue=chosen.batch_job_queue,
            job_definition=chosen.batch_job_definition,
            container_overrides={"environment": [{"name": n, "value": v} for n, v in sorted(told.items())]},
            deferrable=True,
            awslogs_enabled=True,
            poll_interval=chosen.compute_poll_seconds,
            max_retries=chosen.compute_hours * 3600 // chosen.compute_poll_seconds + 1,
            submit_job_timeout=chosen.compute_hours * 3600,
            aws_conn_id=None,
            region_name=chosen.aws_region or None,
            **kwargs,
        )

    def execute(self, context: Context) -> dict[str, Any]:
        self.container_overrides["command"] = ["python", "-m", "lake.run", *self.words(context)]
        try:
            super().execute(context)
        except AirflowException:
            if not self.job_id:
                raise
        return self.settle(context, self._seen())

    def defer(self, *, trigger: Any, timeout: timedelta | None = None, **more: Any) -> None:
        _, fields = trigger.serialize()
        super().defer(trigger=BatchTrigger(**fields), timeout=timeout, **more)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            super().execute_complete(context, event)
        except AirflowException as error:
            self.log.warning("%s", error)
        return self.settle(context, self._seen())

    def _seen(self) -> int | None:
        """The container's exit code; None where it never ran."""
        found = self.hook.get_job_description(str(self.job_id)).get("container", {}).get("exitCode")
        return int(found) if found else None


OPERATORS: dict[Target, type[BaseOperator]] = {
    Target.SPARK_SUBMIT: SparkSubmitCommand,
    Target.EMR_SERVERLESS: ServerlessCommand,
    Target.BATCH_GPU: BatchCommand,
}
