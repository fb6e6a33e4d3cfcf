"""What a check or a bench found, kept as JSON under docs/verified/ with the commit, the date and the machine's size."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from infra.embedded.layout import HOME

FOLDER = HOME / "docs" / "verified"


def machine() -> dict[str, Any]:
    """Cores, memory and versions; nothing that names the machine."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        "system": platform.system(),
    }


def commit(checkout: Path = HOME) -> str:
    """The checkout's commit, marked if files differ from it; results that were not committed yet do not count."""
    results = FOLDER.relative_to(HOME).as_posix()
    try:
        name = subprocess.check_output(["git", "describe", "--always", "--abbrev=12"], cwd=checkout, text=True).strip()
        looked_at = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", ".", f":!{results}"], cwd=checkout)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return name if looked_at.returncode == 0 else f"{name}-dirty"


def record(name: str, figures: Mapping[str, Any], passed: bool, folder: Path = FOLDER) -> Path:
    """Write a check's result."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    head = {"check": name, "passed": passed, "commit": commit(), "date": f"{datetime.now(UTC):%Y-%m-%d}"}
    path.write_text(json.dumps({**head, "machine": machine(), "figures": dict(figures)}, indent=2) + "\n")
    return path
