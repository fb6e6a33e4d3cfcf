"""OpenLineage: events with our data sets when an address is set, and not one request when none is."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dags.commands import CommandOperator
from dags.lineage import names, of
from infra.embedded import environment
from jobs.flow import BUNDLES, DELIVERIES, FLOWS, SERVED
from lake.settings import Settings
from lake.tables import TABLES

REPOSITORY = Path(__file__).resolve().parents[2]
EMIT = """
from datetime import datetime, timezone
from types import SimpleNamespace
from airflow.providers.openlineage import conf
from airflow.providers.openlineage.extractors.manager import ExtractorManager
from airflow.providers.openlineage.plugins import openlineage
from airflow.utils.state import TaskInstanceState
from dags.commands import command_task
print("listeners", len(openlineage.OpenLineageProviderPlugin.listeners))
if not conf.is_disabled():
    from airflow.providers.openlineage.plugins.adapter import OpenLineageAdapter
    task = command_task("lists", "jobs.lists", ["--ds", "2026-11-22"])
    run, instance = SimpleNamespace(run_id="r"), SimpleNamespace()
    lineage = ExtractorManager().extract_metadata(run, task, TaskInstanceState.RUNNING, instance)
    now = datetime.now(timezone.utc)
    OpenLineageAdapter().complete_task(
        run_id="018f4a8e-0000-7000-8000-000000000000", job_name="lists.lists", end_time=now.isoformat(), task=lineage,
        nominal_start_time=None, nominal_end_time=None, owners=[], tags=[], job_description=None,
    )
"""


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[Any]]]:
    """An address that takes events, and those that came."""
    came: list[Any] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            came.append((self.path, self.headers.get("Authorization"), body))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", came
    server.shutdown()
    server.server_close()


def emit(url: str, key: str = "", **more: str) -> str:
    """What Airflow would do with the stack's settings, in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if "OPENLINEAGE" not in name and "PYTEST" not in name}
    mine = {
        **kept,
        **environment.NO_TELEMETRY,
        **environment.openlineage(url, key),
        "PYTHONPATH": str(REPOSITORY),
        **more,
    }
    done = subprocess.run([sys.executable, "-c", EMIT], env=mine, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_an_address_gets_the_tasks_inputs_and_outputs(receiver: tuple[str, list[Any]], tmp_path: Path) -> None:
    url, came = receiver
    lake = tmp_path / "lake"
    assert "listeners 1" in emit(url, "secret", LAKE_ROOT=str(lake), REDIS_URL="redis://cache:6380/0")
    [(path, key, event)] = came
    assert (path, key, event["job"]["namespace"]) == ("/api/v1/lineage", "Bearer secret", "nightshelf")
    outputs = {(each["namespace"], each["name"]) for each in event["outputs"]}
    assert outputs == {("file", str(lake / table)) for table in ("lists", "list_recipes", "decisions")}
    assert ("file", str(lake / "user_features")) in {(each["namespace"], each["name"]) for each in event["inputs"]}


def test_without_an_address_nothing_is_sent_though_the_environment_names_one(
    receiver: tuple[str, list[Any]],
) -> None:
    url, came = receiver
    assert "listeners 0" in emit("", OPENLINEAGE_URL=url)
    assert came == []


def test_every_flow_names_tables_or_known_places() -> None:
    known = {*TABLES, DELIVERIES, BUNDLES, SERVED}
    for flow in FLOWS.values():
        assert {*flow.reads, *flow.writes} <= known


def test_every_task_that_makes_something_has_a_flow(bag: Any) -> None:
    looks = {"models.registry", "models.tuning", "jobs.experiment"}
    tasks = [task for dag in bag.dags.values() for task in dag.tasks]
    modules = {task.module for task in tasks if isinstance(task, CommandOperator)}
    modules |= {task.partial_kwargs["module"] for task in tasks if "module" in getattr(task, "partial_kwargs", {})}
    assert {"jobs.land", "jobs.day", "models.training", "jobs.lists", "jobs.publish"} <= modules
    assert modules - looks <= set(FLOWS)


def test_data_sets_are_named_as_the_specification_says() -> None:
    s3 = Settings(lake_root="s3a://bucket/prefix", data="s3://shop/in/", redis_url="rediss://u:p@cache/0")
    assert of("events", s3) == ("s3://bucket", "prefix/events")
    assert of(DELIVERIES, s3) == ("s3://shop", "in")
    assert of(SERVED, s3) == ("redis://cache:6379", "recs")
    assert of(BUNDLES, s3.model_copy(update={"mlflow_tracking_uri": "http://mlflow:5000"})) == (
        "http://mlflow:5000",
        "recommender",
    )
    assert names("models.registry", s3) == ([], [])
