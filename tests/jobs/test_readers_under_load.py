"""No reader ever sees a mixed or missing list, whatever is published, taken back or killed meanwhile."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

from jobs.publication.versions import Versions
from jobs.publish import publish
from jobs.rollback import rollback
from lake.settings import Settings
from tests.jobs import planted_lists

pytestmark = pytest.mark.integration

USERS = [f"u{n}" for n in range(60)]
K = 20
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def house(tmp_settings: Settings, redis_url: str) -> Settings:
    changes = {"redis_url": redis_url, "version_grace_seconds": 1, "publish_lease_seconds": 3, "publish_workers": 3}
    return tmp_settings.model_copy(update=changes)


@contextmanager
def hammering(url: str, processes: int) -> Iterator[list[dict[str, Any]]]:
    """Readers in processes of their own; what each saw stands in the list after the block."""
    command = [sys.executable, "-m", "tests.jobs.hammer", url, ",".join(USERS), str(K)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    readers = [subprocess.Popen(command, cwd=REPOSITORY, text=True, **pipes) for _ in range(processes)]  # type: ignore[call-overload]
    told: list[dict[str, Any]] = []
    try:
        for reader in readers:
            assert reader.stdout.readline() == "reading\n"
        yield told
        told += [json.loads(reader.communicate("stop\n")[0]) for reader in readers]
    finally:
        for reader in readers:
            reader.kill()
            reader.wait()


def put(house: Settings, day: int) -> str:
    ds = f"2026-{10 + day // 28:02}-{day % 28 + 1:02}"
    planted_lists.write(house, planted_lists.rows(f"e{day}", ds, USERS, k=K))
    return ds


def kill_in_the_middle(house: Settings, redis: Any, ds: str) -> None:
    """kill -9 of a publisher that has written some lists of its version."""
    versions = Versions(redis, "home", 3)
    before = set(versions.standing())
    environment = os.environ | {
        "VAR": str(house.var), "REDIS_URL": house.redis_url, "PSEUDONYMISE": "false", "PUBLISH_WORKERS": "3",
        "PUBLISH_LISTS_PER_SECOND": "10", "PUBLISH_LEASE_SECONDS": "3", "VERSION_GRACE_SECONDS": "1",
    }  # fmt: skip
    command = [sys.executable, "-m", "jobs.publish", "--ds", ds]
    with subprocess.Popen(command, cwd=REPOSITORY, env=environment) as publisher:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            # What it sweeps while it starts is none of its own.
            if any(count >= 5 for version, count in versions.standing().items() if version not in before):
                break
            time.sleep(0.02)
        else:
            pytest.fail("the publisher wrote nothing in a minute")
        publisher.send_signal(signal.SIGKILL)
    assert publisher.returncode == -signal.SIGKILL


def hammered(house: Settings, publications: int, kills: int, processes: int) -> None:
    redis = redis_py.Redis.from_url(house.redis_url, decode_responses=True)
    publish(house, put(house, 0))
    killed = {publications * (n + 1) // (kills + 1) for n in range(kills)}
    with hammering(house.redis_url, processes) as told:
        for day in range(1, publications + 1):
            ds = put(house, day)
            if day in killed:
                serving = redis.get("recs:home:current")
                kill_in_the_middle(house, redis, ds)
                assert redis.get("recs:home:current") == serving
            publish(house, ds)
            if day % 2:
                rollback(house)
                assert redis.lindex(f"recs:home:{redis.get('recs:home:current')}:u:u1", 0).split("/")[0] != f"e{day}"
    for reader in told:
        assert reader["wrong"] == []
        assert min(reader["reads"]) > publications
        assert len(reader["editions"]) > publications // 2
        assert "?" not in reader["editions"]


def test_readers_see_whole_lists_only(house: Settings) -> None:
    hammered(house, publications=6, kills=1, processes=1)


@pytest.mark.verify
def test_readers_see_whole_lists_only_in_the_long_run(house: Settings) -> None:
    hammered(house, publications=20, kills=5, processes=3)
