"""The real stack without Airflow (that is the end-to-end test's): up, up again, killed, down, two side by side."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
import requests

from infra.embedded import stack as command
from infra.embedded.layout import HOME, Layout, StackSettings
from infra.embedded.lifecycle import Stack
from infra.embedded.supervisor import family
from lake.errors import BadInput, Unavailable
from tests.storefront.test_client import FULL, put

pytestmark = pytest.mark.integration

SMALL = ("postgres", "redis")
Made = Callable[..., tuple[Stack, list[str]]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Made]:
    """Makes stacks on folders of this test; whatever they started is gone afterwards."""
    for name in ("AIRFLOW_PORT", "MLFLOW_PORT", "POSTGRES_PORT", "REDIS_PORT", "STOREFRONT_PORT"):
        monkeypatch.delenv(name, raising=False)
    made: list[Stack] = []

    def build(name: str = "var", **more: Any) -> tuple[Stack, list[str]]:
        told: list[str] = []
        ports = {f"{part}_port": free_port() for part in ("airflow", "mlflow", "postgres", "redis", "storefront")}
        stack = Stack(StackSettings(var=tmp_path / name, **{**ports, **more}), told.append)
        made.append(stack)
        return stack, told

    yield build
    for stack in made:
        stack.erase()
        assert family(stack.layout) == []
        assert list(stack.layout.var.glob("*")) == []


def wait_until(true: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "did not become true"
        time.sleep(0.05)


def test_up_twice_then_down_leaves_no_process_and_keeps_the_lists(make: Made) -> None:
    stack, told = make()
    points = stack.up(SMALL)
    assert json.loads(stack.layout.endpoints.read_text()) == points
    assert stack.layout.endpoints.stat().st_mode & 0o077 == 0, "it holds a password"
    client = redis.Redis.from_url(points["redis_url"])
    assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
    client.rpush("recs:home:v:u:1", "a", "b")
    pid = stack.supervisor.pid()
    assert stack.up(SMALL) == points
    assert told[-1] == "the stack is up"
    assert stack.supervisor.pid() == pid

    members = family(stack.layout)
    assert {"postgres", "redis-server"} <= {p.name().replace("valkey", "redis") for p in members}
    stack.down()
    assert not any(p.is_running() for p in members)
    assert stack.supervisor.pid() is None

    again = stack.up(SMALL)
    assert again["redis_url"] == points["redis_url"]
    assert redis.Redis.from_url(again["redis_url"]).lrange("recs:home:v:u:1", 0, -1) == [b"a", b"b"]


def test_a_killed_supervisor_heals(make: Made) -> None:
    stack, told = make()
    stack.up(SMALL)
    orphans = {p.pid for p in family(stack.layout)}
    pid = stack.supervisor.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: stack.supervisor.pid() is None)
    assert stack.layout.supervisor_pid.read_text().strip() == str(pid), "the stale pid file is what heals here"

    stack.up(SMALL)
    assert any("a killed supervisor left behind" in line for line in told)
    assert stack.supervisor.pid() not in (None, pid)
    assert not orphans & {p.pid for p in psutil.process_iter()}


def test_down_after_a_kill_ends_the_orphans(make: Made) -> None:
    stack, _ = make()
    stack.up(("redis",))
    pid = stack.supervisor.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: stack.supervisor.pid() is None)
    assert family(stack.layout)
    stack.down()
    assert family(stack.layout) == []


def test_two_stacks_stand_side_by_side(make: Made) -> None:
    one, _ = make("one")
    first = one.up(("redis",))
    port = int(first["redis_url"].rpartition(":")[2].partition("/")[0])
    two, told = make("two", redis_port=port)
    second = two.up(("redis",))
    assert second["redis_url"] != first["redis_url"]
    assert f"port {port} is taken" in told[0]
    one.down()
    assert redis.Redis.from_url(second["redis_url"]).ping()


def test_a_part_that_dies_is_told_with_its_log(make: Made) -> None:
    stack, _ = make(redis_maxmemory="nonsense")
    with pytest.raises(Unavailable) as caught:
        stack.up(("redis",))
    assert "redis ended" in str(caught.value)
    assert "argument must be a memory value" in str(caught.value)


def test_it_outlives_the_shell_that_started_it(make: Made) -> None:
    stack, _ = make()
    ports = {f"{n.upper()}_PORT": str(getattr(stack.settings, f"{n}_port")) for n in ("redis", "postgres")}
    shell = subprocess.run(
        ["setsid", "bash", "-c", f"{sys.executable} -m infra.embedded.stack up --only redis; kill -9 0"],
        cwd=HOME,
        env=os.environ | ports | {"VAR": str(stack.layout.var)},
        capture_output=True,
        text=True,
    )
    assert shell.returncode == -signal.SIGKILL, shell.stderr
    assert "state" in shell.stdout
    assert redis.Redis.from_url(stack.endpoints()["redis_url"]).ping()


def test_status_tells_state_memory_and_url(make: Made, capsys: pytest.CaptureFixture[str]) -> None:
    from infra.embedded.status import table

    stack, _ = make()
    assert table(stack.layout, stack.supervisor, print) is False
    assert "make up" in capsys.readouterr().out
    stack.up(("redis",))
    assert table(stack.layout, stack.supervisor, print) is True
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("redis"))
    assert row.split()[1] in ("RUNNING", "STARTING")
    assert int(row.split()[3]) > 0
    assert row.split()[4] == stack.endpoints()["redis_url"]


@pytest.mark.parametrize("only", ["", "redis,teapot"])
def test_unknown_parts_are_refused(only: str) -> None:
    with pytest.raises(BadInput, match="expected some of postgres, redis, storefront, mlflow, airflow"):
        command._parts(only)


def test_mlflow_without_its_database_is_refused() -> None:
    with pytest.raises(BadInput, match="add postgres"):
        command._parts("mlflow,redis")


def test_the_service_without_redis_is_refused() -> None:
    with pytest.raises(BadInput, match="add redis"):
        command._parts("postgres,storefront")


def test_the_service_answers_and_takes_new_settings(make: Made) -> None:
    stack, _ = make()
    points = stack.up(("redis", "storefront"))
    assert requests.get(f"{points['storefront_url']}/readyz", timeout=5).status_code == 503, "nothing is published"
    put(redis.Redis.from_url(points["redis_url"], decode_responses=True), **FULL)
    asked = f"{points['storefront_url']}/recommend?user_id=u1"
    assert requests.get(asked, timeout=5).json()["stale"] is False
    stack.up(("redis", "storefront"), {"MAX_AGE_SECONDS": "1"})
    assert requests.get(asked, timeout=5).json()["stale"] is True


def test_new_settings_survive_in_the_stack(make: Made) -> None:
    stack, told = make()
    stack.up(("redis",), {"SOURCE": "/logs/one.yaml"})
    stack.up(("redis",))
    assert told[-1] == "the stack is up"
    stack.up(("redis",), {"SOURCE": "/logs/two.yaml"})
    assert "restarting Airflow's parts and the service with SOURCE=/logs/two.yaml" in told
    assert "/logs/two.yaml" in Layout(stack.layout.var).environment.read_text()
