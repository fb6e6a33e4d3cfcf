"""A Redis process that a test may stop, start again or set up in its own way."""

import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

from tests.conftest import free_port


class RedisProcess:
    """One server on a port of its own; the same port after a restart."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        binary = next((path for name in ("redis-server", "valkey-server") if (path := shutil.which(name))), None)
        if binary is None:
            pytest.fail("no redis-server or valkey-server: run `make setup`")
        self.port = free_port() % 40_000 + 10_000  # a cluster's bus takes this port plus 10000
        common = ["--port", str(self.port), "--save", "", "--appendonly", "no", "--dir", str(folder)]
        self._command = [binary, *common, *arguments]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client: Any = redis_py.Redis.from_url(self.url, decode_responses=True)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        for _ in range(200):
            try:
                self.client.ping()
                return
            except redis_py.ConnectionError:
                time.sleep(0.02)
        pytest.fail(f"{self._command[0]} does not answer")

    def kill(self) -> None:
        """As a crash would end it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None
