"""The REST client against a small server that answers as Airflow does."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest

from infra.embedded.airflow_api import Airflow, RunFailed, queued_since
from lake.errors import BadInput, Unavailable

TASK = {"task_id": "day", "map_index": -1, "try_number": 1, "duration": 2.0}


class FakeAirflow:
    """Answers by (method, path); a list answers one call after the other and then repeats its last."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Any] = {}
        self.calls: list[tuple[str, str, dict[str, Any], Any]] = []
        self.token = "first"
        self.log_ins = 0

    def answer(self, method: str, path: str, body: Any, query: dict[str, Any]) -> tuple[int, Any]:
        self.calls.append((method, path, query, body))
        found = self.answers.get((method, path), (404, {"detail": f"no {path}"}))
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        return found if isinstance(found, tuple) else (200, found)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAirflow]:
    state = FakeAirflow()
    monkeypatch.setattr("infra.embedded.airflow_api.time.sleep", lambda _: None)

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            parts = urlparse(self.path)
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            if parts.path == "/auth/token":
                state.log_ins += 1
                right = body == {"username": "admin", "password": "secret"}
                code, content = (201, {"access_token": state.token}) if right else (401, {"detail": "no"})
            elif self.headers.get("Authorization") != f"Bearer {state.token}":
                code, content = 401, {"detail": "expired"}
            else:
                path = parts.path.removeprefix("/api/v2/")
                code, content = state.answer(self.command, path, body, parse_qs(parts.query))
            data = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = respond

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
    yield state
    server.shutdown()


@pytest.fixture
def airflow(fake: FakeAirflow) -> Airflow:
    return Airflow(fake.url, "admin", "secret")  # type: ignore[attr-defined]


def test_logs_in_once_and_again_when_the_token_expires(fake: FakeAirflow, airflow: Airflow) -> None:
    fake.answers["GET", "pools"] = {"pools": []}
    airflow.call("GET", "pools")
    airflow.call("GET", "pools")
    assert fake.log_ins == 1
    fake.token = "second"
    airflow.call("GET", "pools")
    assert fake.log_ins == 2


def test_a_wrong_password_is_said_at_once(fake: FakeAirflow) -> None:
    with pytest.raises(BadInput, match="refused the log-in of 'admin'"):
        Airflow(fake.url, "admin", "wrong").call("GET", "pools")  # type: ignore[attr-defined]


def test_a_keyed_run_has_no_logical_date(fake: FakeAirflow, airflow: Airflow) -> None:
    fake.answers["POST", "dags/features/dagRuns"] = {"dag_run_id": "r1"}
    assert airflow.trigger("features", key="2026-11-19") == "r1"
    assert fake.calls[-1][3] == {"logical_date": None, "conf": {}, "partition_key": "2026-11-19"}


def test_a_refusal_carries_airflows_reason_and_is_not_repeated(fake: FakeAirflow, airflow: Airflow) -> None:
    fake.answers["POST", "dags/history/dagRuns"] = (400, {"detail": "'from' is required"})
    with pytest.raises(BadInput, match="'from' is required"):
        airflow.trigger("history", conf={})
    assert len(fake.calls) == 1


def test_a_server_that_is_busy_is_asked_again(fake: FakeAirflow, airflow: Airflow) -> None:
    fake.answers["GET", "pools"] = [(503, {"detail": "busy"}), {"pools": ["p"]}]
    assert airflow.call("GET", "pools") == {"pools": ["p"]}


def test_no_server_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.embedded.airflow_api.time.sleep", lambda _: None)
    with pytest.raises(Unavailable, match="make status"):
        Airflow("http://127.0.0.1:9", "admin", "secret").call("GET", "pools")


def test_missing_pools_are_made_and_wrong_ones_set(fake: FakeAirflow, airflow: Airflow) -> None:
    there = {"spark": (1, True), "train": (9, True), "eager": (1, False)}
    pools = [{"name": name, "slots": n, "include_deferred": deferred} for name, (n, deferred) in there.items()]
    fake.answers["GET", "pools"] = {"pools": pools}
    fake.answers["POST", "pools"] = fake.answers["PATCH", "pools/train"] = fake.answers["PATCH", "pools/eager"] = {}
    airflow.ensure_pools({"spark": 1, "train": 1, "eager": 1, "redis": 1})
    changes = [(method, path, body) for method, path, _, body in fake.calls if method != "GET"]
    made = [("PATCH", "pools/train"), ("PATCH", "pools/eager"), ("POST", "pools")]
    assert [(method, path) for method, path, _ in changes] == made
    assert changes[2][2]["name"] == "redis"
    assert all(body["include_deferred"] for *_, body in changes), "a job that is waited for elsewhere holds its slot"


def test_waiting_tells_each_task_once(fake: FakeAirflow, airflow: Airflow) -> None:
    run = "dags/features/dagRuns/r1"
    fake.answers["GET", run] = [{"state": "queued"}, {"state": "running"}, {"state": "success"}]
    fake.answers["GET", f"{run}/taskInstances"] = {"task_instances": [TASK | {"state": "success"}]}
    told: list[str] = []
    airflow.wait("features", "r1", told.append)
    assert told == ["  features.day: success in 2 s"]


def test_a_failed_run_brings_the_end_of_the_failed_tasks_log(fake: FakeAirflow, airflow: Airflow) -> None:
    run = "dags/features/dagRuns/r1"
    fake.answers["GET", run] = {"state": "failed"}
    fake.answers["GET", f"{run}/taskInstances"] = {
        "task_instances": [TASK | {"state": "failed"}, TASK | {"task_id": "announce", "state": "upstream_failed"}]
    }
    lines = [{"event": f"line {number}"} for number in range(100)]
    fake.answers["GET", f"{run}/taskInstances/day/logs/1"] = {"content": lines}
    with pytest.raises(RunFailed) as caught:
        airflow.wait("features", "r1", lambda _: None)
    assert str(caught.value).endswith("line 99")
    assert "line 10\n" not in str(caught.value)
    assert "announce" not in str(caught.value)


def test_a_failed_run_tells_what_its_task_raised(fake: FakeAirflow, airflow: Airflow) -> None:
    run = "dags/features/dagRuns/r1"
    fake.answers["GET", run] = {"state": "failed"}
    fake.answers["GET", f"{run}/taskInstances"] = {"task_instances": [TASK | {"state": "failed"}]}
    raised = [{"exc_type": "AirflowFailException", "exc_value": "no partition key"}]
    lines = [{"event": "Task failed with exception", "error_detail": raised}, {"event": "::group::Post Execute"}]
    fake.answers["GET", f"{run}/taskInstances/day/logs/1"] = {"content": lines}
    with pytest.raises(RunFailed, match="AirflowFailException: no partition key"):
        airflow.wait("features", "r1", lambda _: None)


def test_waiting_ends_after_its_time(fake: FakeAirflow, airflow: Airflow) -> None:
    fake.answers["GET", "dags/d/dagRuns/r"] = {"state": "running"}
    fake.answers["GET", "dags/d/dagRuns/r/taskInstances"] = {"task_instances": []}
    with pytest.raises(Unavailable, match="is running after 0 s"):
        airflow.wait("d", "r", lambda _: None, seconds=0)


def test_dags_that_do_not_come_are_told_with_the_import_errors(fake: FakeAirflow, airflow: Airflow) -> None:
    fake.answers["GET", "dags"] = {"dags": []}
    fake.answers["GET", "importErrors"] = {"import_errors": [{"filename": "lists.py", "stack_trace": "SyntaxError"}]}
    with pytest.raises(Unavailable, match=r"no DAG named \['lists'\].*\n?.*SyntaxError"):
        airflow.wait_for_dags(["lists"], seconds=0)


def test_paused_dags_are_unpaused(fake: FakeAirflow, airflow: Airflow) -> None:
    fake.answers["GET", "dags"] = {"dags": [{"dag_id": "a", "is_paused": True}, {"dag_id": "b", "is_paused": False}]}
    fake.answers["PATCH", "dags/a"] = {}
    airflow.wait_for_dags(["a", "b"])
    assert [path for method, path, *_ in fake.calls if method == "PATCH"] == ["dags/a"]


def test_a_result_is_decoded_and_its_absence_is_none(fake: FakeAirflow, airflow: Airflow) -> None:
    path = "dags/d/dagRuns/r/taskInstances/t/xcomEntries/return_value"
    fake.answers["GET", path] = {"value": '{"rows": 3}'}
    assert airflow.xcom("d", "r", "t") == {"rows": 3}
    assert airflow.xcom("d", "r", "other") is None


def test_runs_are_told_apart_by_when_they_were_queued() -> None:
    since = datetime(2026, 11, 23, 21, tzinfo=UTC)
    assert queued_since({"queued_at": "2026-11-23T21:00:00.9Z"}, since)
    assert not queued_since({"queued_at": "2026-11-23T20:59:59.95Z"}, since)
    assert not queued_since({"queued_at": None}, since)
