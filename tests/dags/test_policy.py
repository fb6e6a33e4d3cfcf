"""What holds for every DAG."""

import ast
import importlib.util
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "dags"
DAGS = ("features", "history", "monitoring", "training", "lists", "experiment")
PARTITIONED = ("features", "monitoring", "lists")
SECTIONS = (
    "### Purpose",
    "### Inputs",
    "### Outputs",
    "### What is normal",
    "### What is an incident",
    "### How to backfill",
)
HEAVY = {"tensorflow", "keras", "pyspark", "mlflow", "great_expectations", "pandas", "pyarrow", "deltalake", "numpy"}


def every_task(bag: Any) -> list[Any]:
    return [task for dag in bag.dags.values() for task in dag.tasks]


def commands(bag: Any) -> list[Any]:
    return [task for task in every_task(bag) if task.task_type == "CommandOperator"]


def module_of(task: Any) -> str:
    return str(task.partial_kwargs["module"] if task.is_mapped else task.module)


def test_the_bag_holds_exactly_the_six_dags_and_every_one_has_tasks(bag: Any) -> None:
    assert bag.import_errors == {}
    assert set(bag.dags) == set(DAGS)
    assert all(dag.tasks for dag in bag.dags.values())


def test_every_dag_can_be_stored_as_the_scheduler_reads_it(bag: Any) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    for dag in bag.dags.values():
        assert DagSerialization.from_dict(DagSerialization.to_dict(dag)).task_ids == dag.task_ids


@pytest.mark.parametrize("dag_id", DAGS)
def test_every_dag_has_owner_tags_page_and_bounds(bag: Any, dag_id: str) -> None:
    dag = bag.dags[dag_id]
    assert {task.owner for task in dag.tasks} == {"nightshelf"}
    assert "nightshelf" in dag.tags
    assert len(dag.tags) >= 2
    assert [section for section in SECTIONS if section not in (dag.doc_md or "")] == []
    assert dag.max_active_runs == 1
    assert not dag.catchup
    assert dag.is_paused_upon_creation is False, "events sent while a consumer is paused are lost"
    assert timedelta(0) < dag.dagrun_timeout < timedelta(days=1)


def test_retries_wait_longer_each_time_and_only_where_a_command_runs(bag: Any) -> None:
    for task in every_task(bag):
        if task.task_type == "CommandOperator":
            assert task.retries >= 1, task.task_id
            assert task.retry_exponential_backoff == 2, task.task_id
            assert task.max_retry_delay <= timedelta(minutes=30), task.task_id
        else:
            assert task.retries == 0, f"{task.task_id} is logic: the same again gives the same"


def test_a_late_delivery_is_waited_for_past_the_cut_off_but_not_into_the_next_night(bag: Any) -> None:
    land = bag.dags["features"].get_task("land")
    pauses = [min(land.retry_delay * 2.0**n, land.max_retry_delay) for n in range(land.retries)]
    assert timedelta(hours=8) < sum(pauses, timedelta()) < timedelta(hours=18)
    assert sum(pauses, timedelta()) < bag.dags["features"].dagrun_timeout


def test_scarce_things_have_pools_of_one_that_the_stack_makes(bag: Any) -> None:
    from infra.embedded.airflow_api import POOLS

    used = {(module_of(task), task.pool) for task in commands(bag)}
    assert {pool for _, pool in used} - {"default_pool"} == set(POOLS)
    assert set(POOLS.values()) == {1}
    assert {pool for module, pool in used if module == "jobs.day"} == {"spark"}
    assert {pool for module, pool in used if module == "jobs.publish"} == {"redis"}
    assert bag.dags["training"].get_task("train").pool == "train"


def test_every_command_names_a_module_that_exists(bag: Any) -> None:
    missing = sorted({m for task in commands(bag) if importlib.util.find_spec(m := module_of(task)) is None})
    assert missing == []


def test_features_runs_at_midnight_for_the_day_that_ended(bag: Any) -> None:
    timetable = bag.dags["features"].timetable
    assert type(timetable).__name__ == "CronPartitionTimetable"
    assert (timetable.expression, timetable.run_offset, timetable.key_format) == ("0 0 * * *", -1, "%Y-%m-%d")
    assert [bag.dags[name].timetable.can_be_scheduled for name in ("history", "training")] == [False, False]


def test_the_schedule_can_be_switched_off_without_losing_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    from dags import policy

    following = {}
    for scheduled in (True, False):
        monkeypatch.setattr(policy, "SCHEDULED", scheduled)
        dag = policy.house_dag("probe", doc="", schedule=policy.NIGHTLY, tags=())
        stored = DagSerialization.from_dict(DagSerialization.to_dict(dag))
        following[scheduled] = stored.next_dagrun_info(last_automated_run_info=None)
        assert stored.timetable.partitioned
    assert following[True] is not None
    assert following[False] is None


def test_one_asset_in_one_task_out(bag: Any) -> None:
    consumed = {name: bag.dags[name].timetable.asset_condition for name in ("monitoring", "lists")}
    assert {type(asset).__name__ for asset in consumed.values()} == {"Asset"}, "two assets make duplicate runs"
    names = {name: asset.name for name, asset in consumed.items()}
    assert names == {"monitoring": "features", "lists": "judged"}
    sent = {(task.dag_id, task.task_id, asset.name) for task in every_task(bag) for asset in task.outlets}
    assert sent == {("features", "announce", "features"), ("monitoring", "emit", "judged")}


@pytest.mark.parametrize("dag_id", PARTITIONED)
def test_a_partitioned_dag_asks_for_its_day_first(bag: Any, dag_id: str) -> None:
    assert [task.task_id for task in bag.dags[dag_id].roots] == ["day_given"]


@pytest.mark.parametrize(
    "key", [None, "", "yesterday", "2026-11-3", "20261103", "2026-11-03T00:00:00"], ids=lambda k: str(k) or "empty"
)
def test_a_run_without_a_day_fails_at_once_and_says_how_to_give_one(
    bag: Any, key: str | None, monkeypatch: Any
) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    from dags import commands

    run = SimpleNamespace(partition_key=key, dag_id="features")
    monkeypatch.setattr(commands, "get_current_context", lambda: {"dag_run": run})
    with pytest.raises(AirflowFailException) as caught:
        bag.dags["features"].get_task("day_given").python_callable()
    for way in ("Partition key", '"partition_key": "2026-11-22"', "airflow backfill create --dag-id features"):
        assert way in str(caught.value)


def test_dag_files_are_short_and_import_nothing_heavy() -> None:
    files = {path.stem: path.read_text() for path in FOLDER.glob("*.py")}
    assert set(DAGS) <= set(files)
    assert {name: len(files[name].splitlines()) for name in DAGS if len(files[name].splitlines()) >= 120} == {}
    for name, text in files.items():
        roots = {
            (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name or "").split(".")[0]  # type: ignore[union-attr]
            for node in ast.parse(text).body  # what a function imports, it imports when a task runs
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        light = {"airflow", "dags", "lake", "pydantic", "pydantic_settings"}
        assert roots <= light | set(sys.stdlib_module_names), name


def test_reading_the_dags_loads_no_model_or_data_library() -> None:
    """Beyond what Airflow itself loads: each name is asked for after importing Airflow alone, then after our DAGs."""
    script = (
        "import sys, time; from airflow.sdk import DAG; import airflow.providers.standard.operators.trigger_dagrun\n"
        "import airflow.providers.standard.hooks.subprocess; before = set(sys.modules); start = time.process_time()\n"
        f"import {', '.join('dags.' + name for name in DAGS)}\n"
        "print(time.process_time() - start, *sorted({m.split('.')[0] for m in set(sys.modules) - before}))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    seconds, *loaded = done.stdout.splitlines()[-1].split()
    assert "dags" in loaded
    assert set(loaded) & HEAVY == set()
    assert float(seconds) < 5
