"""A killed job and two runs at once: the old day stays readable, never a mixture, and the rerun heals."""

import gzip
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pyspark.sql import functions as F

from jobs import events, land
from jobs.partitions import replace_days
from lake import storage
from lake.clock import DayRange
from lake.errors import Unavailable
from lake.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.integration

REPOSITORY = Path(__file__).resolve().parents[2]
DAY = DayRange.parse("2026-03-01")
SOURCE = """
name: plain
deliveries: {format: csv, pattern: "{ds}.csv.gz"}
events: {columns: {user_id: who, item_id: what, event_ts: try_to_timestamp(at)}, event_type: view}
"""


@pytest.fixture
def plain(tmp_path: Path) -> Settings:
    (tmp_path / "plain.yaml").write_text(SOURCE)
    (tmp_path / "in").mkdir()
    return Settings(
        var=tmp_path / "var",
        source=tmp_path / "plain.yaml",
        data=str(tmp_path / "in"),
        pseudonymise=False,
        jars=REPOSITORY / ".jars",
    )


def deliver(settings: Settings, item: str, rows: int) -> None:
    lines = ["who,what,at", *[f"u{n},{item},2026-03-01 10:00:00" for n in range(rows)]]
    (Path(settings.data) / "2026-03-01.csv.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    land.run(settings, DAY)


def items_of(settings: Settings) -> set[str]:
    return set(storage.read(settings, "events", ds="2026-03-01").column("item_id").to_pylist())


def start_job(settings: Settings) -> "subprocess.Popen[bytes]":
    environment = {
        **os.environ,
        "VAR": str(settings.var),
        "SOURCE": str(settings.source),
        "DATA": settings.data,
        "PSEUDONYMISE": "false",
        "JARS": str(settings.jars),
        "SMALL_WRITE_ROWS": "0",
        # Thousands of small files: the job writes for seconds after its first one, however busy the machine is.
        "PYSPARK_SUBMIT_ARGS": "--conf spark.sql.files.maxRecordsPerFile=5 pyspark-shell",
    }
    command = [sys.executable, "-m", "jobs.events", "--ds", "2026-03-01"]
    return subprocess.Popen(command, cwd=REPOSITORY, env=environment, start_new_session=True, stderr=subprocess.DEVNULL)


def test_a_job_killed_while_it_writes_leaves_the_old_day(plain: Settings, spark: "SparkSession") -> None:
    deliver(plain, "old", 10)
    events.run(plain, DAY, spark)
    table = Path(plain.lake_root) / "events"
    before = set(table.rglob("*.parquet"))
    deliver(plain, "new", 20_000)
    process = start_job(plain)
    deadline = time.monotonic() + 240
    while not (set(table.rglob("*.parquet*")) - before) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.poll() is None, "the job must still be writing when it is killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(30)
    assert items_of(plain) == {"old"}
    events.run(plain, DAY, spark)
    assert items_of(plain) == {"new"}


def test_two_runs_of_a_day_at_once_never_mix(plain: Settings, spark: "SparkSession") -> None:
    deliver(plain, "first", 10)
    events.run(plain, DAY, spark)
    frame = spark.read.format("delta").load(str(Path(plain.lake_root) / "events"))

    refusals: list[str] = []

    def overwrite(item: str) -> str:
        try:
            replace_days(plain, "events", frame.withColumn("item_id", F.lit(item)), ["2026-03-01"], "test")
        except Unavailable as error:
            refusals.append(str(error))
            return "refused"
        return item

    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(overwrite, ["left", "right"]))
    assert items_of(plain) <= {"left", "right"}
    assert len(items_of(plain)) == 1, "one run's rows, not a mixture"
    assert items_of(plain) <= set(ended), "who was refused wrote nothing"
    assert all("another run replaced '2026-03-01' at the same time" in text for text in refusals)
