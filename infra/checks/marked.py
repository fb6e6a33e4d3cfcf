"""Checks that are tests: those that `make test` leaves to `make verify`."""

import subprocess
import sys
import time
from typing import Any

from infra.embedded.layout import HOME


def marked(*places: str) -> tuple[dict[str, Any], bool]:
    """The tests of folders or files that are marked `verify`."""
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-m", "verify", *places], cwd=HOME)
    return {"seconds": round(time.monotonic() - started, 1), "pytest_exit_code": done.returncode}, done.returncode == 0
