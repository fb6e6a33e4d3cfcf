"""Which version of the code this is, for the records of what it made."""

import subprocess
from functools import lru_cache
from pathlib import Path

from lake.settings import Settings


def version(settings: Settings) -> str:
    """CODE_VERSION, which an image sets; else what `git describe` says of the checkout; `unknown` outside of one."""
    return settings.code_version or _described()


@lru_cache(maxsize=1)
def _described() -> str:
    command = ["git", "describe", "--always", "--dirty", "--tags"]
    where = Path(__file__).parent
    try:
        told = subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        told = ""
    return told or "unknown"
