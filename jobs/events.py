"""Events: the landed deliveries as typed, deduplicated, pseudonymised interactions; what is refused is quarantined.

A day of events is built from the deliveries ds-1 .. ds+LATE_DAYS, so a run also re-cleans the LATE_DAYS days before
its own: late events find their day, and days that did not change are not written.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from jobs import deliveries as landed
from jobs import headers
from jobs.cleaning import ATTRIBUTES, RAW, analyse, mapped, typed
from jobs.cli import day_job
from jobs.items import sightings
from jobs.partitions import Held, hold, replace_days
from jobs.spark import described, schema, session
from lake import mapping
from lake.clock import DayRange
from lake.columns import Columns as C
from lake.mapping import Source
from lake.partitions import Read, recorded, versions
from lake.prometheus import metrics as prometheus
from lake.settings import Settings
from lake.tables import TABLES
from validation.quarantine import tell as tell_refused

log = logging.getLogger("nightshelf.events")

Gate = Callable[[str, Any, list[str], Mapping[str, Any]], None]
"""Called with name, candidate rows, days and counts; raises `GateFailed`."""


@dataclass
class Cleaned:
    """The outcome of cleaning a range, before anything is written. `days` are the partitions it speaks for."""

    days: list[str]
    events: Held
    quarantine: Held
    sightings: DataFrame
    tally: pa.Table
    counts: dict[str, Any] = field(default_factory=dict)
    read: Read = field(default_factory=dict)


def clean(spark: SparkSession, settings: Settings, source: Source, days: DayRange) -> Cleaned:
    """Map, type, check and deduplicate the deliveries that can hold events of the days.

    Returns:
        Frames of `events`, `quarantine` and `item_sightings` over cached rows, and counts: raw rows read, rows kept,
        refused by reason, and what is odd about the headers.

    Raises:
        BadInput: an expression of the mapping cannot be evaluated; names file and key.
    """
    target, read = days.widen(before=settings.late_days), versions(settings, ["deliveries"])
    first, last = target.widen(before=1, after=settings.late_days).first, target.widen(after=settings.late_days).last
    landings = landed.serving(settings, source, "events", first, last)
    frame = landed.raw(spark, source.deliveries, landings)
    keys = sorted(landed.covered(settings, source, target.first, target.last) | set(days.keys()))
    if frame is None:
        log.info("%s: no delivery with rows covers %s", source.name, days)
        nothing = {n: spark.createDataFrame([], schema(TABLES[n])) for n in ("events", "quarantine", "item_sightings")}
        events, quarantine = (hold(settings, name, nothing[name]) for name in ("events", "quarantine"))
        empty = pa.table({landed.DELIVERY_DS: [], C.REASON: [], "rows": []})
        return Cleaned(keys, events, quarantine, nothing["item_sightings"], empty, {"raw": 0}, read)
    columns = headers.compared(settings, source, landings, days)
    analyse(frame, source)
    rows = typed(mapped(frame, source), source, settings)
    if source.deliveries.period != "day":
        # A row counts for its own day; one whose time cannot be believed stays with its file.
        believed = F.col(C.DS).isNotNull() & ~F.coalesce(F.col(C.REASON).startswith("event_ts"), F.lit(False))
        rows = rows.withColumn(landed.DELIVERY_DS, F.when(believed, F.col(C.DS)).otherwise(F.col(landed.DELIVERY_DS)))
        keys = sorted({*keys, *(landing.ds.isoformat() for landing in landings)})
    rows = rows.persist()
    refused = rows.where(F.col(C.REASON).isNotNull()).where(F.col(landed.DELIVERY_DS).isin(keys))
    refused = refused.withColumn(C.DS, F.col(landed.DELIVERY_DS)).withColumn(C.ROW, F.col(RAW))
    good = rows.where(F.col(C.REASON).isNull()).where(F.col(C.DS).isin(target.keys()))
    unique = deduplicate(identified(good)).select(*TABLES["events"].column_names, *ATTRIBUTES)
    unique = unique.localCheckpoint(eager=False)
    with described(spark, "clean"):
        counts, tally, found = _counts(rows, unique, keys)
    counts |= columns
    quarantine = hold(settings, "quarantine", refused)
    rows.unpersist()
    # Late events may fall on days before the first delivery, and a correction may take them away again.
    filled = {day for day, (n, _) in recorded(settings, "events").items() if n}
    keys = sorted({*keys, *found, *filled.intersection(target.keys())})
    held = hold(settings, "events", unique, checkpointed=True)
    return Cleaned(keys, held, quarantine, sightings(unique), tally, counts, read)


def identified(rows: DataFrame) -> DataFrame:
    """Rows with `event_id`: the given one, or the hash of the mapped columns plus the occurrence within the delivery.

    Two equal lines of one delivery are two events; the same line in two deliveries is one.
    """
    content = F.md5(F.to_json(F.struct(*[name for name in sorted(rows.columns) if name.startswith("m_")])))
    order = Window.partitionBy(landed.FILE, "_content").orderBy(C.EVENT_TS)
    return (
        rows.withColumn("_content", content)
        .withColumn("_nth", F.row_number().over(order))
        .withColumn(C.EVENT_ID, F.coalesce("given_id", F.concat_ws("-", "_content", F.col("_nth").cast("string"))))
    )


def deduplicate(rows: DataFrame) -> DataFrame:
    """One row an event id and day: the first that arrived; ties are broken by content, never by row order."""
    first = Window.partitionBy(C.DS, C.EVENT_ID).orderBy(C.INGESTED_TS, landed.DELIVERY_DS, "_content", "_nth")
    return rows.withColumn("_arrival", F.row_number().over(first)).where(F.col("_arrival") == 1)


def _counts(rows: DataFrame, unique: DataFrame, keys: list[str]) -> tuple[dict[str, Any], pa.Table, list[str]]:
    """Counts for log and gates, rows by delivery day and reason (NULL = taken), and the days that have events."""
    delivered = rows.where(F.col(landed.DELIVERY_DS).isin(keys))
    tally = delivered.groupBy(landed.DELIVERY_DS, C.REASON).agg(F.count("*").alias("rows")).toArrow()
    late = F.sum((F.col(C.INGESTED_TS) > F.date_add(F.col(C.DS).cast("date"), 2).cast("timestamp")).cast("int"))
    kept = unique.agg(F.count("*").alias("n"), late.alias("late"), F.collect_set(C.DS).alias("days")).first()
    assert kept is not None
    reasons: Counter[str] = Counter()
    for row in tally.to_pylist():
        if row[C.REASON] is not None:
            reasons[row[C.REASON]] += row["rows"]
    read = sum(tally.column("rows").to_pylist())
    counts = {"raw": read, "rows": kept["n"], "late": kept["late"] or 0, "reasons": dict(reasons.most_common())}
    return counts, tally, kept["days"]


def write(settings: Settings, cleaned: Cleaned, gate: Gate | None = None) -> dict[str, Any]:
    """Write the quarantine, then, if the gates pass, sightings and events.

    Raises:
        GateFailed: events and sightings keep their previous partitions; the quarantine shows what was refused.
    """
    job = "jobs.events"
    for reason, n in list(cleaned.counts.get("reasons", {}).items())[:10]:
        log.warning("quarantined %d rows: %s", n, reason)
    quarantined = replace_days(settings, "quarantine", cleaned.quarantine, cleaned.days, job, cleaned.read)
    refused = sum(n for n, _ in quarantined.values())
    prometheus.EVENTS_DAYS.tell(len(cleaned.days))
    prometheus.EVENTS_READ.tell(cleaned.counts.get("raw", 0))
    prometheus.EVENTS_REFUSED.tell(refused)
    tell_refused(cleaned.counts.get("reasons", {}))
    if gate:
        gate("raw", cleaned.tally, cleaned.days, cleaned.counts)
        gate("events", cleaned.events.rows, cleaned.days, cleaned.counts)
    replace_days(settings, "item_sightings", cleaned.sightings, cleaned.days, job, cleaned.read)
    written = replace_days(settings, "events", cleaned.events, cleaned.days, job, cleaned.read)
    rows, late = sum(n for n, _ in written.values()), cleaned.counts.get("late", 0)
    prometheus.EVENTS_WRITTEN.tell(rows)
    prometheus.EVENTS_LATE.tell(late)
    return {
        "rows": rows,
        "quarantined": refused,
        "late": late,
        "days": len(cleaned.days),
    }


def run(settings: Settings, days: DayRange, spark: SparkSession | None = None) -> Mapping[str, Any]:
    """Clean and write a range without gates; `jobs.day` is the way with gates."""
    source = mapping.load(settings.source)
    if spark is None:
        with session(settings, "events") as own:
            return run(settings, days, own)
    return write(settings, clean(spark, settings, source, days))


app = day_job(run, __doc__ or "")

if __name__ == "__main__":
    app()
