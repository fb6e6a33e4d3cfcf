"""A Redis of the bench's own with a small published version in it."""

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import redis

from infra.embedded import environment
from lake.errors import Unavailable
from storefront import contract

K = 50
USERS = [str(100_000 + number) for number in range(20_000)]


@contextmanager
def server() -> Iterator[str]:
    """The URL of an empty server without persistence, on a free port.

    Raises:
        Unavailable: there is no Redis on this machine, or it does not start.
    """
    binary = environment.redis_binary()
    if binary is None:
        raise Unavailable("no redis-server or valkey-server in PATH or .venv/bin: run `make setup`.")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            _await(port)
            yield environment.redis_url(port)
        finally:
            process.terminate()
            process.wait(10)


def publish(url: str) -> None:
    """Lists of `K` six-digit ids for all of `USERS`, and everybody's, as the surface `home`."""
    client = redis.Redis.from_url(url)
    version = contract.make_version(datetime.now(UTC))
    items = [str(200_000 + number) for number in range(K)]
    for start in range(0, len(USERS), 1000):
        pipeline = client.pipeline(transaction=False)
        for user in USERS[start : start + 1000]:
            pipeline.rpush(contract.user_key("home", version, user), *items)
        pipeline.execute()
    client.rpush(contract.segment_key("home", version, contract.EVERYBODY), *items)
    made = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    meta = contract.Meta(version, "", made, made[:10], K, len(USERS), 0, ("all",), "bench", "", "ready", "")
    client.hset(contract.meta_key("home", version), mapping=meta.fields())
    client.set(contract.current_key("home"), version)


def free_port() -> int:
    """A port on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(port: int) -> None:
    client = redis.Redis(port=port)
    for _ in range(100):
        try:
            client.ping()
            return
        except redis.ConnectionError:
            time.sleep(0.05)
    raise Unavailable(f"Redis did not answer on port {port} within 5 s")
