"""`make verify CHECKS=cluster`: every Spark job on `local` and on a real cluster of two workers, with equal content.

A generated shop is landed once. Then the same commands run three times, each time on a copy of that lake and by the
operator that a DAG would use: `local`; `spark-submit` to a standalone master with two workers that have neither our
checkout nor our settings; and there again, some of them, with every table written by the executors
(SMALL_WRITE_ROWS=0). Compared are the content hashes that the jobs record and, since those are Spark's own, the rows
themselves as DuckDB reads them. Last, one bundle scores all shoppers in one process and, with SCORING=spark, on the
workers.
"""

import json
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from infra.checks.spark_cluster import cluster
from infra.embedded import code_archive
from infra.embedded.commands import module, say
from infra.embedded.layout import HOME, StackSettings
from lake import storage
from lake.clock import DayRange, shift
from lake.command import parse_result
from lake.partitions import recorded
from lake.settings import Settings

FIRST = date(2026, 9, 1)
DAYS = DayRange(FIRST, shift(FIRST, 13))
BACK = (8, 4, 0)
"""Days before the last that features are made for: those that the training below looks back to."""
SHOPPERS, ITEMS, SEED = 2300, 200, 7
"""More shoppers than one batch of scoring holds, so that both workers have some."""
WORKERS = 2
EXECUTORS = {
    "spark.executor.memory": "1g",
    "spark.cores.max": str(WORKERS),
    # Executors live for seconds here: quick code now rather than fast code later.
    "spark.executor.extraJavaOptions": "-Duser.timezone=UTC -XX:+UseSerialGC -XX:TieredStopAtLevel=1",
}
FEW = {
    "max_queries": 1500,
    "two_tower": {"dim": 32, "max_epochs": 2},
    "ials": {"factors": 16, "iterations": 4},
    "ranker": {"networks": 2, "max_epochs": 3},
}
"""A training that takes a minute: what it learns is not the question here."""
MADE = ("events", "quarantine", "item_sightings", "items", "users", "user_features", "item_features", "co_visitation")
TASK = "infra.embedded.task"


def commands(days: DayRange) -> list[list[str]]:
    """Every Spark job once; each table of features is made by its own job, by `features` and by `day`."""
    one, two, last = (f"{shift(days.last, -back)}" for back in BACK)
    alone = [[f"jobs.{job}", "--ds", one] for job in ("items", "user_features", "item_features", "co_visitation")]
    events = ["jobs.events", "--from", f"{days.first}", "--to", f"{days.last}"]
    return [events, *alone, ["jobs.features", "--ds", two], ["jobs.day", "--ds", last]]


def written_by_executors(days: DayRange) -> list[list[str]]:
    """Every table once, where executors write them."""
    return [commands(days)[0], ["jobs.features", "--ds", f"{shift(days.last, -BACK[0])}"]]


@dataclass
class Side:
    """One way to run the jobs: a lake of its own and the settings that choose target and cluster."""

    name: str
    folder: Path
    surroundings: dict[str, str]

    @property
    def settings(self) -> Settings:
        return Settings(var=self.folder / "var", lake_root=str(self.folder / "lake"), pseudonymise=False)

    def run(self, words: list[str], more: Mapping[str, str] | None = None) -> dict[str, Any]:
        """A command's result; how long it took is only told, for the machine may be busy with other things."""
        places = {"VAR": str(self.folder / "var"), "LAKE_ROOT": str(self.folder / "lake")}
        started = time.monotonic()
        told = module(TASK, words, surroundings={**self.surroundings, **places, **(more or {})}, quiet=True)
        say(f"  {self.name:10} {time.monotonic() - started:6.1f} s  {' '.join(words)}")
        return parse_result(told)

    def marks(self) -> dict[str, tuple[int, str]]:
        """`table/ds` -> rows and content hash as the jobs recorded them."""
        return {f"{table}/{ds}": mark for table in MADE for ds, mark in sorted(recorded(self.settings, table).items())}

    def rows(self) -> dict[str, tuple[int, str]]:
        """`table/ds` -> rows and an order-free hash of what the files hold, by DuckDB."""
        found: dict[str, tuple[int, str]] = {}
        connection = duckdb.connect()
        for table in MADE:
            connection.register("data", storage.read(self.settings, table))
            query = "SELECT ds, count(*), sum(hash(data)::HUGEINT)::VARCHAR FROM data GROUP BY ds"
            sums = connection.execute(query).fetchall()
            found |= {f"{table}/{ds}": (int(count), str(total)) for ds, count, total in sorted(sums)}
        return found


def differences(left: Mapping[str, Any], right: Mapping[str, Any]) -> list[str]:
    """Partitions that are not the same on both sides, each with what either has."""
    names = sorted({*left, *right})
    return [f"{name}: {left.get(name)} and {right.get(name)}" for name in names if left.get(name) != right.get(name)]


def check() -> tuple[dict[str, Any], bool]:
    """Figures and whether everything was equal."""
    folder = (HOME / StackSettings().var / "verify-cluster").resolve()
    shutil.rmtree(folder, ignore_errors=True)
    base = {
        "SOURCE": str(HOME / "sources" / "demo_shop.yaml"),
        "DATA": str(folder / "deliveries"),
        "JARS": str(HOME / ".jars"),
        "PSEUDONYMISE": "false",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        "SPARK_DRIVER_MEMORY": "2g",
        "SPARK_MASTER": "local[2]",
        "PYSPARK_PYTHON": sys.executable,
        "COMPUTE": "local",
        "COMPUTE_TRAINING": "local",
        "COMPUTE_JOBS": "",
        "SCORING": "local",
    }
    landed = Side("landed", folder / "landed", base)
    _land(folder, landed)
    with cluster(folder / "cluster", WORKERS) as running:
        figures = _compared(folder, landed, base, running.master)
        figures["applications"] = [app["name"] for app in running.state()["completedapps"]]
        figures["fewest_executors"] = min(len(list(app.iterdir())) for app in running.work.iterdir())
    submitted = len(commands(DAYS)) + len(written_by_executors(DAYS)) + 1
    on_cluster = len(figures["applications"]) == submitted and figures["fewest_executors"] >= WORKERS
    passed = on_cluster and not figures["differences"] and all(count > 0 for count in figures["rows"].values())
    if passed:
        shutil.rmtree(folder)
    return figures, passed


def _land(folder: Path, landed: Side) -> None:
    days = ["--from", f"{DAYS.first}", "--to", f"{DAYS.last}"]
    size = ["--shoppers", str(SHOPPERS), "--items", str(ITEMS), "--seed", str(SEED)]
    module("sources.demo_shop", ["--out", str(folder / "deliveries"), *days, *size], quiet=True)
    landed.run(["jobs.land", *days, "--history"])


def _compared(folder: Path, landed: Side, base: dict[str, str], master: str) -> dict[str, Any]:
    archive = folder / "nightshelf.zip"
    code_archive.build(archive)
    submitted = base | {
        "COMPUTE": "spark-submit",
        "SPARK_MASTER": master,
        "SPARK_PY_FILES": str(archive),
        "SPARK_CONF": json.dumps(EXECUTORS),
    }
    reference, on_cluster = Side("local", folder / "local", base), Side("cluster", folder / "on-cluster", submitted)
    by_executors = Side("executors", folder / "by-executors", submitted | {"SMALL_WRITE_ROWS": "0"})
    for side in (reference, on_cluster, by_executors):
        shutil.copytree(landed.folder / "lake", side.folder / "lake")
        for words in written_by_executors(DAYS) if side is by_executors else commands(DAYS):
            side.run(words)
    marks, rows = reference.marks(), reference.rows()
    written, held = by_executors.marks(), by_executors.rows()
    faults = {
        "hashes": differences(marks, on_cluster.marks()),
        "rows": differences(rows, on_cluster.rows()),
        "hashes, written by executors": differences({key: marks.get(key) for key in written}, written),
        "rows, written by executors": differences({key: rows.get(key) for key in held}, held),
        "lists": [],
    }
    scored = _scored(reference, on_cluster, folder / "var")
    faults["lists"] = differences(*scored["content_hash"])
    day = f"/{DAYS.last}"
    return {
        "shop": {"shoppers": SHOPPERS, "items": ITEMS, "days": len(DAYS), "seed": SEED},
        "rows": {
            **{table: sum(n for key, (n, _) in marks.items() if key.startswith(f"{table}/")) for table in MADE},
            "lists": scored["rows"],
        },
        "partitions": {"compared": len(marks), "written_by_executors": len(written)},
        "content_hash": {
            **{key.removesuffix(day): digest for key, (_, digest) in marks.items() if key.endswith(day)},
            **{f"lists of {surface}": digest for surface, digest in scored["content_hash"][0].items()},
        },
        "differences": [f"{what}: {each}" for what, found in faults.items() for each in found],
    }


def _scored(local: Side, other: Side, var: Path) -> dict[str, Any]:
    """One bundle, and the day's lists by one process and by the workers: their rows, and the content hashes of both."""
    day, config = ["--ds", f"{DAYS.last}"], ["--config", json.dumps(FEW)]
    shared = {"VAR": str(var)}
    planned = local.run(["models.training", *day, *config, "--plan"], shared)
    as_of = [word for day in planned["missing"] for word in ("--as-of", day)]
    if as_of:
        local.run(["jobs.day", "--features-only", *as_of], shared)
    local.run(["models.training", *day, *config, "--promote", "always"], shared)
    here, there = (
        local.run(["jobs.lists", *day], shared),
        other.run(["jobs.lists", *day], {**shared, "SCORING": "spark"}),
    )
    return {"rows": here["rows"], "content_hash": (here["content_hash"], there["content_hash"])}
