"""A Redis for the time of a bench or a check."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from infra.embedded import environment
from infra.embedded.ports import choose
from lake.errors import Unavailable


@contextmanager
def server() -> Iterator[str]:
    """The URL of an empty server without persistence, on a free port.

    Raises:
        Unavailable: there is no Redis on this machine, or it does not start.
    """
    binary = environment.redis_binary()
    if binary is None:
        raise Unavailable("no redis-server or valkey-server in PATH or .venv/bin: run `make setup`.")
    port = choose({"redis": 16_379}, lambda _: None)["redis"]
    with tempfile.TemporaryDirectory() as folder:
        command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            _await(port)
            yield environment.redis_url(port)
        finally:
            process.terminate()
            process.wait(10)


def _await(port: int) -> None:
    for _ in range(100):
        try:
            redis.Redis(port=port).ping()
            return
        except redis.ConnectionError:
            time.sleep(0.05)
    raise Unavailable(f"a Redis just started does not answer at 127.0.0.1:{port}")
