"""`python -m storefront.service` as a process: settings, start, several workers, a stop that loses nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import free_port
from tests.storefront.test_client import FULL, put

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[3]
COMMAND = [sys.executable, "-m", "storefront.service"]
Started = Callable[..., tuple["subprocess.Popen[str]", str]]


@pytest.fixture
def start(redis_url: str) -> Iterator[Started]:
    started: list[subprocess.Popen[str]] = []

    def run(*options: str, **environment: str) -> tuple["subprocess.Popen[str]", str]:
        port = free_port()
        given = os.environ | {"REDIS_URL": redis_url, "STOREFRONT_PORT": str(port)} | environment
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        process = subprocess.Popen([*COMMAND, *options], cwd=ROOT, env=given, **pipes)
        started.append(process)
        url = f"http://127.0.0.1:{port}"
        for _ in range(300):
            try:
                requests.get(f"{url}/healthz", timeout=5)
                return process, url
            except requests.ConnectionError:
                assert process.poll() is None, process.communicate()[0]
                time.sleep(0.1)
        raise AssertionError("the service did not answer")

    yield run
    for process in started:
        process.kill()
        process.communicate()


def test_it_serves_and_a_sigterm_lets_requests_end(redis: Any, start: Started) -> None:
    put(redis, **FULL)
    process, url = start("--max-age-seconds", "1", "--timeout-seconds", "5")
    told = requests.get(f"{url}/recommend", params={"user_id": "u1", "k": 1}, timeout=5)
    assert (told.json()["items"], told.json()["stale"]) == (["u1"], True)
    redis.client_pause(700)  # a request is in flight when the signal comes
    asking = subprocess.Popen(["curl", "-s", f"{url}/recommend?user_id=u1&k=2"], stdout=subprocess.PIPE, text=True)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    assert json.loads(asking.communicate(timeout=10)[0])["items"] == ["u1", "u2"]
    log = process.communicate(timeout=10)[0]
    assert process.returncode in (0, -signal.SIGTERM)
    assert "GET /recommend" not in log, "no line a request unless asked for"


def test_several_workers_tell_one_sum(redis: Any, start: Started) -> None:
    put(redis, **FULL)
    process, url = start("--workers", "2", "--access-log", "true")
    for _ in range(20):
        requests.get(f"{url}/recommend", params={"user_id": "u1"}, timeout=5)
    line = 'storefront_lookups_total{fallback="user",surface="home"} 20.0'
    assert line in requests.get(f"{url}/metrics", timeout=5).text.splitlines()
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=15)[0].count("GET /recommend") == 20


def test_help_names_the_settings() -> None:
    told = subprocess.run([*COMMAND, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert told.returncode == 0
    for option in ("--port", "--redis-url", "--user-key-file", "--extensions", "STOREFRONT_"):
        assert option in told.stdout


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"STOREFRONT_PORT": "many"}, "port='many'"),
        ({"STOREFRONT_EXTENSIONS": "no.such.module:router"}, "no.such.module"),
        ({"USER_KEY_FILE": "/nowhere/key"}, "/nowhere/key"),
    ],
)
def test_wrong_settings_are_told_in_a_line(environment: dict[str, str], said: str) -> None:
    told = subprocess.run(COMMAND, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=60)
    assert told.returncode == 65
    assert said in told.stderr
    assert "Traceback" not in told.stderr
