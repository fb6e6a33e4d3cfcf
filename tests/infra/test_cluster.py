"""The cluster check leaves no Spark job out and would tell a difference; its code archive is complete."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from dags.compute import JOBS, Kind
from infra.checks import cluster
from infra.embedded import code_archive, task
from infra.embedded.layout import HOME
from lake import storage
from lake.errors import BadInput
from lake.tables import TABLES


def test_every_spark_job_is_run_on_the_cluster() -> None:
    spark = {job for job, kind in JOBS.items() if kind is Kind.SPARK}
    assert {words[0] for words in cluster.commands(cluster.DAYS)} == spark


def test_every_table_of_spark_is_compared() -> None:
    # Impressions are the storefront's log, which no Spark job makes.
    made = {name for name, table in TABLES.items() if table.engine == "spark"}
    assert made <= {*cluster.MADE, "impressions"}


def test_a_different_row_is_told_even_where_counts_agree(tmp_path: Path) -> None:
    sides = [cluster.Side(name, tmp_path / name, {}) for name in ("one", "two")]
    for side, depth in zip(sides, (2.0, 2.0000001), strict=True):
        row = {c.name: None if c.nullable else 0 for c in TABLES["user_features"].columns}
        row |= {"user_id": "u", "ds": "2026-11-22", "session_depth": depth}
        data = pa.Table.from_pylist([row], TABLES["user_features"].arrow_schema())
        storage.replace_days(side.settings, "user_features", data, ["2026-11-22"])
    found = cluster.differences(sides[0].rows(), sides[1].rows())
    assert [text.split(":")[0] for text in found] == ["user_features/2026-11-22"]
    assert cluster.differences(sides[0].rows(), sides[0].rows()) == []


def test_a_partition_that_one_side_lacks_is_told() -> None:
    assert cluster.differences({"events/a": (1, "x")}, {}) == ["events/a: (1, 'x') and None"]


def test_executors_find_our_code_in_the_archive(tmp_path: Path) -> None:
    out = tmp_path / "nightshelf.zip"
    assert code_archive.build(out) > 100
    again = tmp_path / "again.zip"
    code_archive.build(again)
    assert out.read_bytes() == again.read_bytes()
    command = [sys.executable, "-c", "import lake.clock, jobs.run; print(lake.clock.__file__)"]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(out)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{out}/lake/clock.py"
    assert str(HOME) not in done.stdout


def test_a_target_that_needs_airflow_is_refused_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    from dags import compute

    monkeypatch.setattr(compute, "target_of", lambda *_: compute.Target.EMR_SERVERLESS)
    with pytest.raises(BadInput, match=r"jobs\.day would run on emr-serverless"):
        task.run("jobs.day", [])
