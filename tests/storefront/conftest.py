"""A Redis that a test may stop and start again, and both clients by one name."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

from storefront.aio import AsyncStorefront
from storefront.client import Storefront
from tests.conftest import free_port


class MortalRedis:
    """A server of a test's own."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.port = folder, free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = redis_py.Redis.from_url(self.url, decode_responses=True)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        binary = next(path for name in ("redis-server", "valkey-server") if (path := shutil.which(name)))
        options = ["--port", str(self.port), "--save", "", "--appendonly", "no", "--dir", str(self._folder)]
        self._process = subprocess.Popen([binary, *options], stdout=subprocess.DEVNULL)
        for _ in range(200):
            try:
                self.client.ping()
                return
            except redis_py.ConnectionError:
                time.sleep(0.02)
        raise AssertionError("Redis did not start")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[MortalRedis]:
    server = MortalRedis(tmp_path)
    server.start()
    yield server
    server.kill()


class Blocking:
    """`AsyncStorefront` as a test of `Storefront` calls it: each call runs to its end."""

    def __init__(self, runner: "asyncio.Runner", *arguments: Any, **options: Any) -> None:
        self._runner = runner
        self._client = AsyncStorefront(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._client, name)
        if not callable(member):
            return member
        return lambda *arguments, **options: self._runner.run(member(*arguments, **options))


Make = Callable[..., Any]


@pytest.fixture(params=["threads", "asyncio"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Makes clients of either kind, closed at the end."""
    made: list[Any] = []
    with asyncio.Runner() as runner:

        def build(*arguments: Any, **options: Any) -> Any:
            kind = Storefront if request.param == "threads" else lambda *a, **o: Blocking(runner, *a, **o)
            made.append(kind(*arguments, **options))
            return made[-1]

        yield build
        for client in made:
            client.close()
