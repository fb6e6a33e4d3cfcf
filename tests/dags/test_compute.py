"""Which target a command has, and what is said where the settings do not suffice."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dags.targets import AWS, ENVIRONMENTS, MASTER, ROLE, apply, forget

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def afresh() -> Iterator[None]:
    yield
    forget()


@pytest.mark.parametrize(
    ("environment", "module", "arguments", "target"),
    [
        ("local", "jobs.day", [], "local"),
        ("spark-submit", "jobs.day", [], "spark-submit"),
        ("spark-submit", "jobs.lists", [], "spark-submit"),
        ("spark-submit", "jobs.land", [], "local"),
        ("spark-submit", "models.training", [], "local"),
        ("emr-serverless", "jobs.features", [], "emr-serverless"),
        ("emr-serverless", "jobs.publish", [], "local"),
        ("batch-gpu", "models.training", ["--ds", "2026-11-22"], "batch-gpu"),
        ("batch-gpu", "models.training", ["--ds", "2026-11-22", "--plan"], "local"),
        ("batch-gpu", "models.tuning", [], "batch-gpu"),
        ("batch-gpu", "jobs.day", [], "local"),
    ],
)
def test_a_command_runs_where_its_kind_may(
    monkeypatch: pytest.MonkeyPatch, environment: str, module: str, arguments: list[str], target: str
) -> None:
    from dags.compute import target_of

    apply(monkeypatch, ENVIRONMENTS[environment])
    assert target_of(module, arguments) == target


def test_lists_follow_spark_only_where_spark_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    from dags.compute import target_of

    apply(monkeypatch, ENVIRONMENTS["spark-submit"] | {"SCORING": "local"})
    assert target_of("jobs.lists", []) == "local"


def test_one_command_may_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    from dags.compute import target_of

    apply(monkeypatch, ENVIRONMENTS["emr-serverless"] | {"COMPUTE_JOBS": '{"jobs.lists": "local"}'})
    assert [target_of(job, []) for job in ("jobs.day", "jobs.lists")] == ["emr-serverless", "local"]


def test_a_command_that_the_table_lacks_is_refused() -> None:
    from dags.compute import target_of
    from lake.errors import BadInput

    with pytest.raises(BadInput, match=r"jobs\.unheard is not in dags\.compute\.JOBS"):
        target_of("jobs.unheard", [])


EMR, BATCH = ENVIRONMENTS["emr-serverless"], ENVIRONMENTS["batch-gpu"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"COMPUTE": "mainframe"}, "COMPUTE='mainframe'"),
        ({"COMPUTE": "batch-gpu"}, "COMPUTE=batch-gpu: it needs Spark"),
        ({"COMPUTE_TRAINING": "emr-serverless"}, "COMPUTE_TRAINING=emr-serverless"),
        ({"COMPUTE_JOBS": '{"jobs.land": "emr-serverless"}'}, "COMPUTE_JOBS: jobs.land=emr-serverless"),
        ({"COMPUTE_JOBS": '{"jobs.dya": "local"}'}, "no such command: jobs.dya"),
        ({"COMPUTE_JOBS": "jobs.day"}, "COMPUTE_JOBS"),
        ({"COMPUTE": "spark-submit"}, "SPARK_MASTER=(unset)"),
        ({"COMPUTE": "spark-submit", "SPARK_MASTER": "local[2]"}, "SPARK_MASTER=local[2]"),
        ({"COMPUTE": "spark-submit", "SPARK_MASTER": MASTER, "SPARK_DEPLOY_MODE": "cluster"}, "SPARK_DEPLOY_MODE"),
        (EMR | {"EMR_APPLICATION_ID": ""}, "EMR_APPLICATION_ID is unset"),
        (EMR | {"EMR_EXECUTION_ROLE_ARN": "spark"}, "EMR_EXECUTION_ROLE_ARN=spark: expected arn:aws:iam"),
        (EMR | {"EMR_LOGS_URI": "/logs"}, "EMR_LOGS_URI=/logs"),
        (EMR | {"USER_KEY_SECRET": ""}, "USER_KEY_SECRET is unset"),
        (EMR | {"LAKE_ROOT": "/srv/lake"}, "LAKE_ROOT=/srv/lake: emr-serverless cannot see this machine's folders"),
        (BATCH | {"LAKE_ROOT": ""}, "LAKE_ROOT=var/lake: batch-gpu cannot see"),
        (BATCH | {"BATCH_JOB_QUEUE": ""}, "BATCH_JOB_QUEUE is unset"),
        (BATCH | {"BATCH_JOB_DEFINITION": ""}, "BATCH_JOB_DEFINITION is unset"),
        (BATCH | {"MLFLOW_TRACKING_URI": "http://127.0.0.1:5000"}, "needs a server that it can reach"),
        (BATCH | {"MLFLOW_TRACKING_URI": "https://me:pw@mlflow"}, "MLFLOW_TRACKING_URI holds a password"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, given: dict[str, str], said: str) -> None:
    from dags.compute import current
    from lake.settings import SettingsError

    apply(monkeypatch, given)
    with pytest.raises(SettingsError) as caught:
        current()
    assert said in str(caught.value)
    assert "pw@" not in str(caught.value)


def test_every_fault_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from dags.compute import current
    from lake.settings import SettingsError

    apply(monkeypatch, {"COMPUTE": "emr-serverless", "COMPUTE_TRAINING": "batch-gpu"})
    with pytest.raises(SettingsError) as caught:
        current()
    for name in (
        "EMR_APPLICATION_ID",
        "EMR_EXECUTION_ROLE_ARN",
        "BATCH_JOB_QUEUE",
        "BATCH_JOB_DEFINITION",
        "LAKE_ROOT",
    ):
        assert name in str(caught.value)


def test_kubernetes_wants_its_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    from dags import compute
    from lake.settings import SettingsError

    apply(monkeypatch, {"COMPUTE": "spark-submit", "SPARK_MASTER": "k8s://https://api:6443"})
    for there in (False, True):
        monkeypatch.setattr(compute, "_installed", lambda _, there=there: there)
        compute.current.cache_clear()
        if there:
            assert compute.current().spark_master == "k8s://https://api:6443"
        else:
            with pytest.raises(SettingsError, match="apache-airflow-providers-cncf-kubernetes"):
                compute.current()


def test_a_wrong_setting_is_an_import_error_of_the_dags_that_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.dag_processing.dagbag import DagBag

    apply(monkeypatch, EMR | {"EMR_APPLICATION_ID": ""})
    errors = DagBag(str(REPOSITORY / "dags")).import_errors
    assert len(errors) == 6
    assert all("EMR_APPLICATION_ID is unset" in text for text in errors.values())


def test_the_settings_in_force_can_be_printed() -> None:
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY), **EMR}
    command = [sys.executable, "-m", "dags.compute"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert f'"emr_execution_role_arn": "{ROLE}"' in done.stdout
    assert '"jobs.day": "emr-serverless"' in done.stdout
    assert AWS["MLFLOW_TRACKING_URI"] not in done.stdout
