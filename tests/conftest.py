"""Real parts for the tests: a Spark session, a Redis server, settings on a fresh folder."""

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lake.prometheus.metrics import METRICS
from lake.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

REPOSITORY = Path(__file__).resolve().parents[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def tmp_settings(tmp_path: Path) -> Settings:
    """Settings on an empty folder, with the shop's own ids."""
    return Settings(var=tmp_path / "var", pseudonymise=False, jars=REPOSITORY / ".jars")


@pytest.fixture
def told() -> Iterator[Callable[..., dict[tuple[str, ...], float]]]:
    """What this test told Prometheus: `told("nightshelf_gate_success")` -> values by labels."""

    def forget() -> None:
        for metric in METRICS.values():
            metric.forget()

    forget()
    yield lambda name: dict(METRICS[name].told)
    forget()


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator["SparkSession"]:
    """One Spark session for the whole run; start-up costs more than most tests."""
    from jobs.spark import build_session

    var = tmp_path_factory.mktemp("spark")
    session = build_session(
        Settings(var=var, pseudonymise=False, jars=REPOSITORY / ".jars", spark_shuffle_partitions=2), "tests"
    )
    yield session
    session.stop()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server on a free port, without persistence."""
    binary = next((path for name in ("redis-server", "valkey-server") if (path := shutil.which(name))), None)
    if binary is None:
        pytest.fail("no redis-server or valkey-server: run `make setup`")
    port, folder = free_port(), tmp_path_factory.mktemp("redis")
    arguments = [binary, "--port", str(port), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    import redis

    client = redis.Redis.from_url(url)
    for _ in range(100):
        try:
            client.ping()
            break
        except redis.ConnectionError:
            time.sleep(0.05)
    yield url
    process.terminate()
    process.wait(10)


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The server, emptied."""
    import redis

    redis.Redis.from_url(redis_server).flushall()
    return redis_server


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """A real S3 API on loopback (moto server), in memory, without buckets; credentials stand in the environment."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "tests")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "tests")
        yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()
