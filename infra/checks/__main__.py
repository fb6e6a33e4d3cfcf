"""`make verify`: the long checks. Each leaves docs/verified/<name>.json with figures, commit, date and machine.

docs/verified.md says what each of them shows and what it does not; `CHECKS=s3a,readers` chooses, `DATA=DIR` gives
`online_retail` and `held_out` their log.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import typer

from infra.checks import cluster, compose, distributed, drift, held_out, images, kubernetes, observability, terraform
from infra.checks.marked import marked
from infra.checks.results import record
from infra.embedded import environment, night
from infra.embedded.commands import report, say
from infra.embedded.layout import HOME, StackSettings
from infra.embedded.lifecycle import Stack
from lake.errors import BadInput, GateFailed, NightshelfError

MINUTE = 60
BARS = {"run_seconds": 25 * MINUTE, "next_day_seconds": 4 * MINUTE}
"""Online Retail, 2 cores."""


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


CHECKS: dict[str, Callable[[], tuple[dict[str, Any], bool | None]]] = {
    "nights": partial(marked, "tests/e2e"),
    "s3a": partial(marked, "tests/infra/test_s3a_smoke.py"),
    "duckdb": partial(marked, "tests/infra/test_bench_spark.py"),
    "readers": partial(marked, "tests/jobs"),
    "cluster": cluster.check,
    "terraform": terraform.check,
    "drift": drift.check,
    "online_retail": online_retail,
    "held_out": held_out.check,
    "distributed": distributed.check,
    "models": partial(marked, "tests/models/candidates", "tests/models/tuning", "tests/models/test_experiments.py"),
    "observability": observability.check,
    "images": images.check,
    "kubernetes": kubernetes.check,
    "compose": compose.check,
}
"""None instead of passed or not: it could not be held here, for the reason in the figures."""
NEED_DATA = ("online_retail", "held_out")


def main(
    only: Annotated[
        str, typer.Option("--only", envvar="CHECKS", help=f"Checks, comma-separated: {', '.join(CHECKS)}; default all.")
    ] = "",
) -> None:
    chosen = [name for name in only.split(",") if name] or list(CHECKS)
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
        if passed is None:
            say(f"{name}: skipped, {json.dumps(figures)}")
            continue
        say(f"{name}: {'passed' if passed else 'FAILED'}, {json.dumps(figures)}; {record(name, figures, passed)}")
        failed += [] if passed else [name]
    if failed:
        raise GateFailed(f"checks that did not hold: {', '.join(failed)}")


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(help=f"{__doc__}\n\nExit code 66 if one failed.")(main)
    report(app)
