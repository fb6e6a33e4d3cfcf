"""Every command on every target: the provider's operator, what it is given, and how its end is read."""

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from tests.dags.targets import ENVIRONMENTS, MASTER, ROLE, SECRETS, apply, forget

FOLDER = Path(__file__).resolve().parents[2] / "dags"
OPERATORS = {
    "local": "CommandOperator",
    "spark-submit": "SparkSubmitCommand",
    "emr-serverless": "ServerlessCommand",
    "batch-gpu": "BatchCommand",
}
POLICY = ("pool", "retries", "retry_delay", "max_retry_delay", "retry_exponential_backoff", "trigger_rule", "outlets")


@pytest.fixture(scope="module")
def bags() -> dict[str, Any]:
    """The DAGs as they are read under each target's settings, with secrets in the environment."""
    from airflow.dag_processing.dagbag import DagBag

    found = {}
    for target, given in ENVIRONMENTS.items():
        with pytest.MonkeyPatch.context() as patch:
            apply(patch, given | SECRETS)
            found[target] = DagBag(str(FOLDER))
    forget()
    return found


def tasks(bag: Any) -> dict[str, Any]:
    return {f"{task.dag_id}.{task.task_id}": task for dag in bag.dags.values() for task in dag.tasks}


def module_of(task: Any) -> str | None:
    given = task.partial_kwargs if task.is_mapped else vars(task)
    return given.get("module")


def is_mapped(task: Any) -> bool:
    return bool(task.is_mapped)


def made(task: Any) -> Any:
    """The task itself; of a mapped one, what it makes of one list of arguments."""
    if not task.is_mapped:
        return task
    given = {name: value for name, value in task.partial_kwargs.items() if name in ("module", "retries", "pool")}
    return task.operator_class(task_id="one", arguments=["--from", "2026-11-01", "--to", "2026-11-02"], **given)


@pytest.mark.parametrize("target", ENVIRONMENTS)
def test_dags_are_the_same_but_for_the_operators(bags: dict[str, Any], target: str) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    assert bags[target].import_errors == {}
    here, there = tasks(bags["local"]), tasks(bags[target])
    assert list(here) == list(there)
    for name, task in there.items():
        assert task.upstream_task_ids == here[name].upstream_task_ids, name
        assert module_of(task) == module_of(here[name]), name
        assert [getattr(task, field) for field in POLICY] == [getattr(here[name], field) for field in POLICY], name
    for dag in bags[target].dags.values():
        assert DagSerialization.from_dict(DagSerialization.to_dict(dag)).task_ids == dag.task_ids


@pytest.mark.parametrize("target", ENVIRONMENTS)
def test_every_command_has_the_operator_of_its_target(bags: dict[str, Any], target: str) -> None:
    from dags.compute import JOBS, POSSIBLE, Kind

    seen = set()
    for name, task in tasks(bags[target]).items():
        if (module := module_of(task)) is None:
            continue
        plans = not is_mapped(task) and isinstance(task.arguments, list) and "--plan" in task.arguments
        moves = JOBS[module] is not Kind.PROCESS and not plans and target in POSSIBLE[JOBS[module]]
        expected = OPERATORS[target if moves else "local"]
        found = task.operator_class.__name__ if task.is_mapped else task.task_type
        assert found == expected, f"{name} ({module})"
        seen.add(found)
    assert seen == {"CommandOperator", OPERATORS[target]}


@pytest.mark.parametrize("target", [name for name in ENVIRONMENTS if name != "local"])
def test_no_secret_stands_in_what_a_service_is_given(
    bags: dict[str, Any], target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(monkeypatch, ENVIRONMENTS[target] | SECRETS)
    moved = [task for task in tasks(bags[target]).values() if module_of(task)]
    shown = json.dumps([{f: getattr(made(t), f, None) for f in made(t).template_fields} for t in moved], default=str)
    assert [name for name, value in SECRETS.items() if value in shown] == []
    assert "LAKE_ROOT" in shown or target == "spark-submit"


@pytest.mark.parametrize(
    ("dag", "task", "expected"),
    [
        ("features", "day", ["jobs.day", "--ds", "{{ dag_run.partition_key }}"]),
        ("lists", "lists", ["jobs.lists", "--ds", "{{ dag_run.partition_key }}", "--bundle"]),
    ],
)
@pytest.mark.parametrize("target", ["spark-submit", "emr-serverless"])
def test_spark_jobs_keep_their_arguments(
    bags: dict[str, Any], target: str, dag: str, task: str, expected: list[str]
) -> None:
    found = bags[target].dags[dag].get_task(task)
    assert ["jobs.day" if task == "day" else "jobs.lists", *found.arguments][: len(expected)] == expected
    assert "arguments" in found.template_fields


def context(**more: Any) -> Any:
    ti = {"dag_id": "d", "run_id": "manual__1", "task_id": "t", "map_index": -1, "try_number": 1}
    run = SimpleNamespace(run_id="manual__1", partition_key="2026-11-22")
    return {"dag_run": run, "ti": SimpleNamespace(**(ti | more), xcom_push=lambda **_: None)}


def test_an_outcome_has_one_name_a_try(monkeypatch: pytest.MonkeyPatch) -> None:
    from dags.remote import SparkSubmitCommand

    apply(monkeypatch, ENVIRONMENTS["spark-submit"])
    task = SparkSubmitCommand(task_id="t", module="jobs.day", arguments=["--ds", "", "2026-11-22"])
    names = [task.outcome_name(context(**more)) for more in ({}, {}, {"try_number": 2}, {"map_index": 3})]
    assert names[0] == names[1]
    assert len(set(names)) == 3
    assert task.words(context()) == ["--outcome", names[0], "jobs.day", "--ds", "2026-11-22"]


# ---- spark-submit: a stand-in for the binary notes what it was given, and ends as a driver would

BINARY = """#!/bin/sh
printf '%s\\n' "$@" >"$LAKE_ROOT/words"
env >"$LAKE_ROOT/environment"
echo step 1/2 done
mkdir -p "$LAKE_ROOT/_staging/$NAME"
[ -z "$OUTCOME" ] || printf '%s' "$OUTCOME" >"$LAKE_ROOT/_staging/$NAME/outcome.json"
exit "$CODE"
"""


@pytest.fixture
def submitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a job with a spark-submit that ends with a code and leaves an outcome."""
    from dags import commands, remote

    binary = tmp_path / ".venv" / "bin" / "spark-submit"
    binary.parent.mkdir(parents=True)
    binary.write_text(BINARY)
    binary.chmod(0o755)
    for module in (commands, remote):
        monkeypatch.setattr(module, "HOME", tmp_path)
    (tmp_path / "j.jar").touch()
    places = {"LAKE_ROOT": str(tmp_path), "JARS": str(tmp_path), "SPARK_CONF": '{"spark.executor.memory": "4g"}'}
    apply(monkeypatch, ENVIRONMENTS["spark-submit"] | SECRETS | places)
    task = remote.SparkSubmitCommand(task_id="t", module="jobs.day", arguments=["--ds", "2026-11-22"])

    def run(code: int, outcome: Any) -> Any:
        monkeypatch.setenv("NAME", task.outcome_name(context()))
        monkeypatch.setenv("CODE", str(code))
        monkeypatch.setenv("OUTCOME", json.dumps(outcome) if outcome else "")
        return task.execute(context())

    run.task = task  # type: ignore[attr-defined]
    return run


def test_spark_submit_gets_master_jars_launcher_and_a_clean_environment(submitted: Any, tmp_path: Path) -> None:
    assert submitted(0, {"code": 0, "result": {"rows": 3}, "log": []}) == {"rows": 3}
    words = (tmp_path / "words").read_text().splitlines()
    assert words[words.index("--master") + 1] == MASTER
    assert words[words.index("--deploy-mode") + 1] == "client"
    options = dict(word.split("=", 1) for before, word in pairwise(words) if before == "--conf")
    assert options["spark.jars"] == str(tmp_path / "j.jar")
    assert options["spark.executor.memory"] == "4g"
    assert "spark.driver.host" not in options, "workers elsewhere must reach the driver"
    launcher = words.index(f"{tmp_path}/jobs/run.py")
    assert words[launcher + 1] == "--outcome"
    assert words[launcher + 3 :] == ["jobs.day", "--ds", "2026-11-22"]
    seen = (tmp_path / "environment").read_text()
    assert "RUN_ID=manual__1" in seen
    assert SECRETS["USER_KEY"] in seen, "the driver is our own process, as a local job is"
    assert SECRETS["USER_KEY"] not in "\n".join(words)
    assert "AIRFLOW" not in seen
    assert list((tmp_path / "_staging").iterdir()) == []


@pytest.mark.parametrize(
    ("code", "outcome", "final"),
    [
        (66, {"code": 66, "result": None, "log": ["gate events failed"]}, True),
        (1, {"code": 65, "result": None, "log": []}, True),
        (75, {"code": 75, "result": None, "log": []}, False),
        (65, None, True),
        (137, None, False),
        (0, None, False),
    ],
    ids=["gate", "the outcome knows better", "unavailable", "no outcome but a code", "killed", "lost"],
)
def test_the_end_of_a_job_decides_as_a_process_would(submitted: Any, code: int, outcome: Any, final: bool) -> None:
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    with pytest.raises(AirflowException) as caught:
        submitted(code, outcome)
    assert isinstance(caught.value, AirflowFailException) is final


def test_a_killed_task_takes_spark_submit_and_its_driver_along(
    submitted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import AirflowException

    from dags import commands

    monkeypatch.setattr(commands, "KILL_AFTER_SECONDS", 1.0)
    (tmp_path / ".venv" / "bin" / "spark-submit").write_text(
        '#!/bin/sh\nsleep 60 &\necho $! >"$LAKE_ROOT/driver"; wait'
    )
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(submitted, 0, None)
        deadline = time.monotonic() + 20
        while not ((tmp_path / "driver").is_file() and (tmp_path / "driver").read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        driver = int((tmp_path / "driver").read_text())
        submitted.task.on_kill()
        with pytest.raises(AirflowException, match="ended with -15"):
            running.result(10)
    assert not psutil.pid_exists(driver) or psutil.Process(driver).status() == psutil.STATUS_ZOMBIE


def test_in_cluster_mode_the_image_is_told_the_settings_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    from dags.remote import SparkSubmitCommand

    given = {"SPARK_MASTER": "yarn", "SPARK_DEPLOY_MODE": "cluster", "LATE_DAYS": "5"}
    apply(monkeypatch, ENVIRONMENTS["spark-submit"] | SECRETS | given)
    task = SparkSubmitCommand(task_id="t", module="jobs.day", arguments=[])
    assert task.application == "local:///opt/nightshelf/jobs/run.py"
    assert task.conf["spark.executor.extraClassPath"] == "/opt/nightshelf/.jars/*"
    assert task.env_vars["LATE_DAYS"] == "5"
    assert task.env_vars["SOURCE"] == "/opt/nightshelf/sources/demo_shop.yaml"
    assert set(task.env_vars) & set(SECRETS) == set()
    task.application_args = []
    words = task._get_hook()._build_spark_common_args()
    assert "spark.yarn.appMasterEnv.LATE_DAYS=5" in words


def test_a_file_that_the_image_lacks_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from dags.remote import BatchCommand
    from lake.errors import BadInput

    apply(monkeypatch, ENVIRONMENTS["batch-gpu"] | {"SOURCE": str(tmp_path / "shop.yaml")})
    with pytest.raises(BadInput, match=r"SOURCE=.*lies outside the checkout"):
        BatchCommand(task_id="t", module="models.training", arguments=[])


# ---- AWS: the operators' own calls, against the emulator


@pytest.fixture
def aws(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client factory on the emulator, which the operators' hooks and the lake find as well; with a bucket."""
    import boto3
    import requests

    requests.post(f"{s3_url}/moto-api/config", json={"batch": {"use_docker": False}}, timeout=10).raise_for_status()
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("S3_ENDPOINT_URL", s3_url)

    def client(name: str) -> Any:
        return boto3.client(name, region_name="us-east-1")

    client("s3").create_bucket(Bucket="lake")
    yield client
    requests.post(f"{s3_url}/moto-api/reset", timeout=10)
    forget()


def leave(task: Any, code: int, result: Any = None) -> None:
    from lake import outcome
    from lake.settings import settings

    outcome.write(settings(), task.outcome_name(context()), outcome.Outcome(code, result, ["gate users: 3 of 5 rows"]))


@pytest.fixture
def serverless(aws: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A day's job for an application of the emulator."""
    from dags.remote import ServerlessCommand

    application = aws("emr-serverless").create_application(name="n", releaseLabel="emr-7.9.0", type="SPARK")
    apply(monkeypatch, ENVIRONMENTS["emr-serverless"] | SECRETS | {"EMR_APPLICATION_ID": application["applicationId"]})
    return ServerlessCommand(task_id="t", module="jobs.day", arguments=["--ds", "2026-11-22", ""])


def test_emr_starts_the_job_and_the_task_waits_deferred(serverless: Any, aws: Any) -> None:
    from airflow.sdk.exceptions import TaskDeferred

    with pytest.raises(TaskDeferred) as caught:
        serverless.execute(context())
    job_id = caught.value.kwargs["job_id"]
    job = aws("emr-serverless").get_job_run(applicationId=serverless.application_id, jobRunId=job_id)["jobRun"]
    assert job["executionRole"] == ROLE
    assert job["name"] == "nightshelf-jobs.day"
    submit = job["jobDriver"]["sparkSubmit"]
    assert submit["entryPoint"] == "local:///opt/nightshelf/jobs/run.py"
    assert submit["entryPointArguments"] == [
        "--outcome", serverless.outcome_name(context()), "jobs.day", "--ds", "2026-11-22"
    ]  # fmt: skip
    overrides = job["configurationOverrides"]
    assert overrides["monitoringConfiguration"]["s3MonitoringConfiguration"]["logUri"] == "s3://logs/emr/"
    (defaults,) = overrides["applicationConfiguration"]
    driver = "spark.emr-serverless.driverEnv"
    assert defaults["properties"][f"{driver}.USER_KEY"] == "EMR.secret@nightshelf/user_key"
    assert defaults["properties"][f"{driver}.LAKE_ROOT"] == "s3a://lake/nightshelf"
    assert defaults["properties"]["spark.executorEnv.PYTHONPATH"] == "/opt/nightshelf"
    assert "spark.driver.extraClassPath" not in defaults["properties"], "it would replace EMR's own"
    trigger = caught.value.trigger
    assert (type(trigger).__name__, trigger.job_id, trigger.cancel_on_kill) == (
        "EmrServerlessStartJobTrigger", job_id, True
    )  # fmt: skip


async def first(trigger: Any) -> Any:
    """What the triggerer hears first."""
    return (await anext(trigger.run())).payload


def test_emr_gives_the_result_of_the_job_once_the_triggerer_saw_its_end(serverless: Any) -> None:
    from airflow.sdk.exceptions import TaskDeferred

    with pytest.raises(TaskDeferred) as caught:
        serverless.execute(context())
    event = asyncio.run(first(caught.value.trigger))
    assert event["status"] == "success"
    leave(serverless, 0, {"features": {}})
    assert serverless.execute_complete(context(), event, **caught.value.kwargs) == {"features": {}}


@pytest.mark.parametrize(("code", "final"), [(66, True), (75, False), (None, False)])
def test_emr_fails_as_the_job_did(serverless: Any, aws: Any, code: int | None, final: bool, caplog: Any) -> None:
    from airflow.sdk.exceptions import AirflowException, AirflowFailException, TaskDeferred

    with pytest.raises(TaskDeferred) as deferred:
        serverless.execute(context())
    if code:
        leave(serverless, code)
    with pytest.raises(AirflowException) as caught:
        serverless.execute_complete(context(), {"status": "failure", "message": "no"}, **deferred.value.kwargs)
    assert isinstance(caught.value, AirflowFailException) is final


@pytest.fixture
def batch(aws: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A training for a queue of the emulator."""
    from dags.remote import BatchCommand

    trust = {"Version": "2012-10-17", "Statement": []}
    role = aws("iam").create_role(RoleName="batch", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    client = aws("batch")
    made = client.create_compute_environment(computeEnvironmentName="gpu", type="UNMANAGED", serviceRole=role)
    order = [{"order": 1, "computeEnvironment": made["computeEnvironmentArn"]}]
    client.create_job_queue(jobQueueName="gpu", state="ENABLED", priority=1, computeEnvironmentOrder=order)
    container = {"image": "nightshelf/training", "vcpus": 4, "memory": 15000}
    client.register_job_definition(
        jobDefinitionName="nightshelf-training", type="container", containerProperties=container
    )
    apply(monkeypatch, ENVIRONMENTS["batch-gpu"] | SECRETS)
    return BatchCommand(task_id="t", module="models.training", arguments=["--ds", "2026-11-22"])


def test_batch_gets_the_training_and_gives_its_result(batch: Any, aws: Any) -> None:
    leave(batch, 0, {"version": "3"})
    assert batch.execute(context()) == {"version": "3"}
    (job,) = aws("batch").describe_jobs(jobs=[batch.job_id])["jobs"]
    assert job["jobName"] == "nightshelf-models-training"
    assert job["jobDefinition"].split("/")[-1].startswith("nightshelf-training")
    assert job["timeout"]["attemptDurationSeconds"] == 20 * 3600
    start = ["python", "-m", "lake.run", "--outcome", batch.outcome_name(context())]
    assert job["container"]["command"] == [*start, "models.training", "--ds", "2026-11-22"]
    told = {each["name"]: each["value"] for each in job["container"]["environment"]}
    assert told["ACCELERATOR"] == "gpu"
    assert told["LAKE_ROOT"] == "s3a://lake/nightshelf"
    assert set(told) & set(SECRETS) == set()


@pytest.mark.parametrize(("code", "final"), [(65, True), (75, False)])
def test_batch_fails_as_the_training_did(batch: Any, code: int, final: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    monkeypatch.setenv("MOTO_SIMPLE_BATCH_FAIL_AFTER", "0")
    leave(batch, code)
    with pytest.raises(AirflowException, match=f"ended with {code}") as caught:
        batch.execute(context())
    assert isinstance(caught.value, AirflowFailException) is final


def test_batch_waits_deferred_and_a_killed_task_ends_the_job(
    batch: Any, aws: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.providers.amazon.aws.hooks.batch_client import BatchClientHook
    from airflow.sdk.exceptions import TaskDeferred
    from airflow.sdk.module_loading import import_string

    monkeypatch.setattr(BatchClientHook, "get_job_description", lambda *_, **__: {"status": "RUNNABLE"})
    with pytest.raises(TaskDeferred) as caught:
        batch.execute(context())
    path, fields = caught.value.trigger.serialize()
    assert path == "dags.remote.BatchTrigger", "the triggerer makes it anew from this"
    asked = []
    trigger = import_string(path)(**fields)
    hook = SimpleNamespace(conn=SimpleNamespace(terminate_job=lambda **given: asked.append(given)))
    monkeypatch.setattr(trigger, "hook", lambda: hook)
    asyncio.run(trigger.on_kill())
    assert [given["jobId"] for given in asked] == [batch.job_id]


def test_batch_gives_the_result_once_the_triggerer_saw_the_end(batch: Any) -> None:
    from dags.remote import BatchTrigger

    batch.submit_job(context())
    event = asyncio.run(first(BatchTrigger(job_id=batch.job_id, aws_conn_id=None, region_name="us-east-1")))
    leave(batch, 0, {"version": "3"})
    assert batch.execute_complete(context(), event) == {"version": "3"}
