"""What a gate costs: `PYTHONPATH=. python tests/validation/measure_gates.py [ROWS]` prints seconds a gate.

One night's gates in one fresh Spark session, in the order of a night; then the same again, warm; then the same events
suite as one Great Expectations expectation a rule directly on the Spark frame, for comparison.
"""

import logging
import os
import platform
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lake.settings import Settings
from lake.tables import TABLES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

DAY = "2026-11-23"
GROUPS = {"category_affinity", "brand_affinity"}


def frame(spark: "SparkSession", name: str, rows: int) -> "DataFrame":
    """Clean rows of a table made inside Spark, cached."""
    from pyspark.sql import functions as F

    def value(column: Any) -> Any:
        number = F.col("id")
        special = {
            "ds": F.lit(DAY),
            "event_ts": F.timestamp_seconds(F.lit(1_795_392_000) + number % 86_400),
            "ingested_ts": F.lit("2026-11-24 03:00:00").cast("timestamp"),
            "event_id": F.sha2(number.cast("string"), 256),
            "rank": (number % 50 + 1).cast("int"),
            "item_id": F.concat(F.lit("i"), F.floor(number / 50).cast("string")),
            "other_item_id": F.concat(F.lit("o"), number.cast("string")),
            "price_band": (number % 10).cast("int"),
        }
        if column.name == "item_id" and name in ("events", "items", "item_features", "item_sightings"):
            return F.concat(F.lit("i"), number.cast("string"))
        if column.name in special:
            return special[column.name]
        if column.allowed:
            return F.lit(column.allowed[0])
        if column.type.startswith("map"):
            return F.create_map(F.concat(F.lit("c"), number % 20), F.lit(1.0))
        if column.type == "string":
            return F.concat(F.lit("v"), number.cast("string"))
        if column.type == "timestamp":
            return F.lit(f"{DAY} 01:00:00").cast("timestamp")
        if column.type == "boolean":
            return F.lit(True)
        return F.lit(1 if column.name == "active_days" else 0 if "_1d" in column.name else 1)

    from jobs.spark import conform

    made = spark.range(rows).select(*[value(column).alias(column.name) for column in TABLES[name].columns])
    made = conform(made, TABLES[name]).persist()
    made.count()
    return made


def lists(users: int, k: int = 50) -> pa.Table:
    """Clean lists of `users` users and the segment `all`."""
    import numpy as np

    owners = np.array(["all"] + [f"u{n}" for n in range(users)])
    rows = len(owners) * k
    ranks = np.tile(np.arange(1, k + 1), len(owners))
    plain = {name: np.full(rows, "x") for name in ("source", "reason", "bundle", "reason_item")}
    columns = plain | {
        "surface": np.full(rows, "home"),
        "kind": np.where(np.arange(rows) < k, "segment", "user"),
        "owner": np.repeat(owners, k),
        "rank": ranks,
        "item_id": np.char.add("i", ranks.astype(str)),
        "score": 1.0 / ranks,
        "probability": 0.5 / ranks,
        "ds": np.full(rows, DAY),
    }
    return pa.table({name: columns[name] for name in TABLES["lists"].column_names})


def native(rows: "DataFrame") -> float:
    """Seconds of the events' column rules as one expectation each on the Spark frame."""
    import great_expectations as gx
    import great_expectations.expectations as gxe

    suite = gx.ExpectationSuite(name="native")
    for column in TABLES["events"].columns:
        if not column.nullable:
            suite.add_expectation(gxe.ExpectColumnValuesToNotBeNull(column=column.name))
        if column.allowed:
            suite.add_expectation(gxe.ExpectColumnValuesToBeInSet(column=column.name, value_set=list(column.allowed)))
        if column.minimum is not None:
            suite.add_expectation(gxe.ExpectColumnValuesToBeBetween(column=column.name, min_value=column.minimum))
    suite.add_expectation(gxe.ExpectCompoundColumnsToBeUnique(column_list=["event_id", "ds"]))
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_spark("native").add_dataframe_asset("events")
    started = time.monotonic()
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch(batch_parameters={"dataframe": rows})
    batch.validate(suite)
    return time.monotonic() - started


def cpu_seconds(jvm: int) -> float:
    """Processor time used so far by this process and by the JVM."""
    used = Path(f"/proc/{jvm}/stat").read_text().rpartition(")")[2].split()[11:13]
    return time.process_time() + sum(map(int, used)) / os.sysconf("SC_CLK_TCK")


def main(rows: int) -> None:
    from jobs.spark import build_session
    from validation.gate import validate

    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(var=Path(folder), pseudonymise=False)
        spark = build_session(settings, "measure")
        jvm = spark.sparkContext._gateway.proc.pid
        sizes = {"events": rows, "items": 4_000, "users": 50_000, "user_features": 50_000, "item_features": 4_000,
                 "co_visitation": 200_000}  # fmt: skip
        frames: dict[str, Any] = {name: frame(spark, name, n) for name, n in sizes.items()}
        frames["lists"] = lists(rows // 50)
        started = time.monotonic()
        __import__("great_expectations")
        print(f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        print(f"import of great_expectations: {time.monotonic() - started:.1f} s")
        for turn in ("first", "again"):
            total, since = 0.0, cpu_seconds(jvm)
            counts = {"raw": rows, "reasons": {"price: negative": 1}}
            for name, candidate in {"raw": None, **frames}.items():
                before = cpu_seconds(jvm)
                report = validate(name, candidate, DAY, settings=settings, context=counts)
                total += report.seconds
                size = f"{rows if name == 'raw' else report.rows:,} rows {report.checks:3} checks"
                print(
                    f"{turn} {name:14} {size:>24} {report.seconds:6.2f} s wall {cpu_seconds(jvm) - before:6.2f} s cpu"
                )
                assert report.success, [str(each) for each in report.failures]
            print(f"{turn} {'all gates':39} {total:6.2f} s wall {cpu_seconds(jvm) - since:6.2f} s cpu", flush=True)
        for turn in ("first", "again"):
            before = cpu_seconds(jvm)
            wall = native(frames["events"])
            used, what = cpu_seconds(jvm) - before, "one expectation a rule, events"
            print(f"{turn} {what:39} {wall:6.2f} s wall {used:6.2f} s cpu", flush=True)
        spark.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300_000)
