"""The real DAGs under a real scheduler on PostgreSQL: a first load, two nights, a backfill, and the lists in Redis.

One stack for all of it; each fixture is one thing that happens, and happens once. `make test` ends after the first
night; `make verify CHECKS=nights` goes on.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from infra.embedded import night
from infra.embedded.airflow_api import Airflow, RunFailed
from infra.embedded.layout import StackSettings
from infra.embedded.lifecycle import Stack
from infra.embedded.night import Night
from jobs.lineage.chain import trace
from lake import storage
from lake.clock import DayRange
from lake.settings import Settings
from storefront.client import Storefront
from storefront.contract import current_key

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]

REPOSITORY = Path(__file__).resolve().parents[2]
FIRST, LAST, DAY, NEXT = "2026-09-01", "2026-09-30", "2026-10-01", "2026-10-02"
SHOPPERS, ITEMS, LENGTH = 120, 80, 20


@dataclass(frozen=True)
class Shop:
    """A running stack over a made-up shop."""

    airflow: Airflow
    settings: Settings
    redis: Any
    lineage: list[dict[str, Any]]

    def say(self, line: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)

    def current(self) -> str | None:
        """The version that readers of `home` use."""
        return self.redis.get(current_key("home"))

    def events(self, day: str) -> list[dict[str, Any]]:
        return storage.read(self.settings, "events", filters=[("ds", "=", day)]).to_pylist()

    def count(self, dag: str) -> int:
        return len(self.airflow.runs(dag))


@pytest.fixture(scope="module")
def receiver() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of something that takes OpenLineage events, and those that came."""
    came: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", came
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def shop(receiver: tuple[str, list[dict[str, Any]]]) -> Iterator[Shop]:
    import redis

    # Not pytest's own folder, which is closed to the OS user that PostgreSQL runs as when the tests run as root.
    root = Path(tempfile.mkdtemp(prefix="nightshelf-e2e-"))
    root.chmod(0o755)
    var = root / "var"
    deliveries = var / "deliveries"
    size = ["--shoppers", str(SHOPPERS), "--items", str(ITEMS)]
    command = [
        sys.executable,
        "-m",
        "sources.demo_shop",
        "--out",
        str(deliveries),
        "--from",
        FIRST,
        "--to",
        NEXT,
        *size,
    ]
    subprocess.run(command, cwd=REPOSITORY, check=True)
    stack = Stack(StackSettings(var=var), lambda line: print(line, flush=True))
    handed_over = {
        "PSEUDONYMISE": "false",
        "LIST_LENGTH": str(LENGTH),
        "SPARK_DRIVER_MEMORY": "1g",
        "SPARK_SHUFFLE_PARTITIONS": "2",
        "VERSION_GRACE_SECONDS": "0",
        "NIGHTSHELF_SCHEDULE": "none",
        "RETRY_SECONDS": "2",
        "OPENLINEAGE_URL": receiver[0],
    }
    try:
        points = stack.up(handed_over=handed_over)
        settings = Settings(
            var=var,
            data=str(deliveries),
            redis_url=points["redis_url"],
            mlflow_tracking_uri=points["mlflow_url"],
            pseudonymise=False,
            list_length=LENGTH,
        )
        airflow = stack.airflow()
        airflow.wait_for_dags(night.DAGS)
        client = redis.Redis.from_url(points["redis_url"], decode_responses=True)
        yield Shop(airflow, settings, client, receiver[1])
    finally:
        stack.erase()
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="module")
def loaded(shop: Shop) -> dict[str, int]:
    """The first load: thirty days in two chunks."""
    return dict(night.load(shop.airflow, DayRange.parse(start=FIRST, end=LAST), 15, "first load", shop.say))


@pytest.fixture(scope="module")
def first(shop: Shop, loaded: dict[str, int]) -> Night:
    """The first night: no champion yet."""
    return night.run(shop.airflow, DAY, shop.say)


@pytest.fixture(scope="module")
def second(shop: Shop, first: Night) -> tuple[Night, str | None]:
    """The second night, and the version that served before it."""
    before = shop.current()
    return night.run(shop.airflow, NEXT, shop.say), before


def test_a_first_load_fills_the_lake_and_wakes_nobody(shop: Shop, loaded: dict[str, int]) -> None:
    assert loaded["rows"] > 1000
    held = storage.days(shop.settings, "events")
    assert set(DayRange.parse(start=FIRST, end=LAST).keys()) <= set(held)
    assert held[0] >= "2026-08-29", "late rows of the first files reach back LATE_DAYS, no further"
    assert storage.days(shop.settings, "user_features") == ["2026-09-17", "2026-09-24", LAST], "two windows before DAY"
    assert shop.count("monitoring") == 0


def test_the_first_night_trains_and_every_active_shopper_can_read_a_list(shop: Shop, first: Night) -> None:
    assert first.results["judge"]["decision"] == "bootstrap"
    assert first.results["train"]["promoted"]
    active = {event["user_id"] for event in shop.events(DAY) if event["user_id"]}
    assert len(active) > 10
    front = Storefront(shop.settings.redis_url)
    for user in active:
        answer = front.recommend(user, k=10, why=True)
        assert answer.fallback == "user", user
        assert answer.data_through == DAY
        assert len(set(answer.items)) == len(answer.items) == len(answer.reasons) == 10


def test_strangers_and_items_are_served_too(shop: Shop, first: Night) -> None:
    front = Storefront(shop.settings.redis_url)
    assert front.recommend("nobody-knows-me", k=5).fallback != "user"
    assert len(front.recommend("nobody-knows-me", k=5).items) == 5
    version = shop.current()
    kinds = {key.split(":")[3] for key in shop.redis.scan_iter(f"recs:home:{version}:*", count=1000)}
    assert {"u", "i", "s", "meta"} <= kinds


def test_the_decision_can_be_read_in_the_ui_with_its_figures(shop: Shop, first: Night) -> None:
    run = shop.airflow.run_of_key("monitoring", DAY, datetime(2000, 1, 1, tzinfo=UTC))
    assert run is not None
    links = shop.airflow.call("GET", f"dags/monitoring/dagRuns/{run['dag_run_id']}/taskInstances/judge/links")
    address = links["extra_links"]["Report"]
    assert address.endswith(f"/nightshelf/reports/judging/{DAY}.html")
    import requests

    token = {"Authorization": shop.airflow._http.headers["Authorization"]}
    page = requests.get(address, headers=token, timeout=10)
    assert page.status_code == 200
    assert "bootstrap" in page.text
    assert requests.get(address, timeout=10).status_code == 401
    note = shop.airflow.runs("training")[0]["note"]
    assert note.startswith("bootstrap: ")


def test_the_lists_are_traced_to_the_shops_files_without_a_gap(shop: Shop, first: Night) -> None:
    found = trace(shop.settings, "home")
    assert found["gaps"] == []
    assert (found["ds"], found["lists"]["matches"], found["redis"]["version"]) == (DAY, True, shop.current())
    assert found["bundle"]["version"] == first.results["train"]["version"]
    assert {row["table"] for row in found["features"]} == {"items", "user_features", "item_features", "co_visitation"}
    delivered = {Path(row["uri"]).name: row["sha256"] for row in found["deliveries"] if row["kind"] == "events"}
    [name] = [name for name in delivered if DAY in name]
    content = next(Path(shop.settings.data).rglob(name)).read_bytes()
    assert delivered[name] == hashlib.sha256(content).hexdigest()


def test_every_command_of_the_night_left_its_metrics(shop: Shop, first: Night) -> None:
    folder = shop.settings.var / "metrics"
    texts = {path.name: path.read_text() for path in folder.glob("*.prom")}
    for command in ("jobs.land", "jobs.day", "models.judging", "models.training", "jobs.lists", "jobs.publish"):
        text = texts[f"nightshelf_command_{command}.prom"]
        assert f'nightshelf_command_last_exit_code{{command="{command}"}} 0.0' in text
    read = first.results["day"]["rows"]
    assert (
        f'nightshelf_events_written_rows{{command="jobs.day"}} {read:.1f}' in texts["nightshelf_command_jobs.day.prom"]
    )
    users = first.results["lists"]["users"]
    assert f'nightshelf_lists_owners{{command="jobs.lists",kind="user"}} {users:.1f}' in "".join(texts.values())


def test_airflow_told_the_lineage_of_its_tasks(shop: Shop, first: Night) -> None:
    ended = [
        event for event in shop.lineage if event["eventType"] == "COMPLETE" and event["job"]["name"] == "lists.lists"
    ]
    outputs = {each["name"] for event in ended for each in event["outputs"]}
    assert str(Path(shop.settings.lake_root).absolute() / "lists") in outputs


@pytest.mark.verify
def test_the_second_night_keeps_the_champion_and_moves_all_lists(shop: Shop, second: tuple[Night, str | None]) -> None:
    result, before = second
    assert result.results["judge"]["decision"] == "keep"
    assert "train" not in result.results
    assert shop.current() != before
    assert Storefront(shop.settings.redis_url).recommend(None, k=3).data_through == NEXT


@pytest.mark.verify
def test_a_backfill_rewrites_days_and_moves_no_list(shop: Shop, second: tuple[Night, str | None]) -> None:
    version, monitored, published = shop.current(), shop.count("monitoring"), shop.count("lists")
    events = shop.events("2026-09-21")
    number = shop.airflow.backfill("features", "2026-09-21", "2026-09-22", reprocess="completed")
    shop.airflow.wait_for_backfill(number, seconds=300)
    runs = [run for run in shop.airflow.runs("features") if run["run_type"] == "backfill"]
    assert {(run["partition_key"], run["state"]) for run in runs} == {
        ("2026-09-21", "success"),
        ("2026-09-22", "success"),
    }
    announced = {
        t["state"]
        for run in runs
        for t in shop.airflow.tasks("features", run["dag_run_id"])
        if t["task_id"] == "announce"
    }
    assert announced == {"skipped"}
    assert {"2026-09-21", "2026-09-22"} <= set(storage.days(shop.settings, "user_features"))
    assert {event["event_id"] for event in shop.events("2026-09-21")} == {event["event_id"] for event in events}
    assert (shop.current(), shop.count("monitoring"), shop.count("lists")) == (version, monitored, published)


def test_a_run_without_a_partition_key_fails_and_says_how_to_give_one(shop: Shop) -> None:
    run = shop.airflow.trigger("features")
    with pytest.raises(RunFailed) as caught:
        shop.airflow.wait("features", run, shop.say, seconds=120)
    assert "no partition key" in str(caught.value)
    assert {t["task_id"]: t["state"] for t in shop.airflow.tasks("features", run)}["land"] == "upstream_failed"
