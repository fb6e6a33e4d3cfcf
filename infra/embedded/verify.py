"""`make verify`: the long checks. Each leaves docs/verified/<name>.json with figures, commit, date and machine.

`s3a` is the store smoke test beyond 128 MiB. `online_retail` runs that log (DATA=DIR) on a stack of its own and holds
it to its bars: the whole run under 25 minutes, one more day without retraining under 4 (both on 2 cores). `drift`
takes a generated shop through 30 quiet nights, which must trigger no training, and through a planted drift, which must
trigger one. `readers` hammers a Redis during 20 publications, rollbacks, and a kill -9 in the middle of others.
`held_out` judges published lists of that log (DATA=DIR) on three cuts that nothing was chosen on. `images`
makes the storefront's environment from its lock alone. `compose` runs the services of docker-compose.yml without
Docker, and a night through them. `kubernetes` holds the manifests against the charts (CHARTS=DIR). `CHECKS=s3a`
chooses.
"""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from infra.embedded import compose_check, drift, environment, held_out, images_check, kubernetes_check, night
from infra.embedded.commands import report, say
from infra.embedded.layout import HOME, StackSettings
from infra.embedded.lifecycle import Stack
from lake.errors import BadInput, GateFailed, NightshelfError

FOLDER = HOME / "docs" / "verified"
MINUTE = 60
BARS = {"run_seconds": 25 * MINUTE, "next_day_seconds": 4 * MINUTE}
"""Online Retail, 2 cores."""


def machine() -> dict[str, Any]:
    """Cores, memory and versions; nothing that names the machine."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        "system": platform.system(),
    }


def commit() -> str:
    """The checkout's commit, marked if files differ from it."""
    try:
        return subprocess.check_output(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"], cwd=HOME, text=True
        ).strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def record(name: str, figures: Mapping[str, Any], passed: bool, folder: Path = FOLDER) -> Path:
    """Write a check's result."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    head = {"check": name, "passed": passed, "commit": commit(), "date": f"{datetime.now(UTC):%Y-%m-%d}"}
    path.write_text(json.dumps({**head, "machine": machine(), "figures": dict(figures)}, indent=2) + "\n")
    return path


def marked(folder: str) -> tuple[dict[str, Any], bool]:
    """The tests of a folder that are marked `verify`."""
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-m", "verify", folder], cwd=HOME)
    return {"seconds": round(time.monotonic() - started, 1), "pytest_exit_code": done.returncode}, done.returncode == 0


def online_retail() -> tuple[dict[str, Any], bool]:
    """The whole log on an empty stack, then one more day."""
    stack = Stack(StackSettings(var=StackSettings().var / "verify-online-retail"), say)
    if (stack.layout.var / "lake").exists():
        raise BadInput(f"{stack.layout.var} holds an earlier run; remove it, because the first load is measured")
    environ = os.environ | {
        "VAR": str(stack.layout.var),
        "SOURCE": "sources/online_retail.yaml",
        "FROM": "2010-12-01",
        "TO": "2011-11-20",
    }
    figures: dict[str, Any] = {}
    try:
        started = time.monotonic()
        done = subprocess.run([sys.executable, "-m", "infra.embedded.run_source"], cwd=HOME, env=environ)
        figures["run_seconds"] = round(time.monotonic() - started, 1)
        if done.returncode == 0:
            found = night.run(stack.airflow(), "2011-11-21", say)
            figures |= {"next_day_seconds": round(found.seconds, 1), "retrained": "train" in found.results}
            figures |= {"users": found.results.get("lists", {}).get("users")}
    finally:
        stack.down()
    held = all(figures.get(name, float("inf")) < bar for name, bar in BARS.items())
    return {**figures, "bars": BARS}, done.returncode == 0 and held and not figures["retrained"]


CHECKS: dict[str, Callable[[], tuple[dict[str, Any], bool]]] = {
    "s3a": partial(marked, "tests/infra"),
    "readers": partial(marked, "tests/jobs"),
    "drift": drift.check,
    "online_retail": online_retail,
    "held_out": held_out.check,
    "images": images_check.check,
    "kubernetes": kubernetes_check.check,
    "compose": compose_check.check,
}
NEED_DATA = ("online_retail", "held_out")


def main() -> None:
    """Run the chosen checks; exit code 66 if one failed.

    Raises:
        BadInput: CHECKS names an unknown one.
        GateFailed: a check failed or missed its bar.
    """
    chosen = [name for name in os.environ.get("CHECKS", ",".join(CHECKS)).split(",") if name]
    if unknown := sorted(set(chosen) - set(CHECKS)):
        raise BadInput(f"CHECKS={','.join(unknown)}: found no such check, expected some of {', '.join(CHECKS)}")
    failed = []
    for name in chosen:
        if name in NEED_DATA and not environment.given(os.environ).get("DATA"):
            say(f"{name}: skipped, it needs DATA=DIR with the files of Online Retail")
            continue
        try:
            figures, passed = CHECKS[name]()
        except NightshelfError as error:
            figures, passed = {"error": str(error)}, False
        say(f"{name}: {'passed' if passed else 'FAILED'}, {json.dumps(figures)}; {record(name, figures, passed)}")
        failed += [] if passed else [name]
    if failed:
        raise GateFailed(f"checks that did not hold: {', '.join(failed)}")


if __name__ == "__main__":
    report(main)
