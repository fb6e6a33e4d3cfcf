"""The catalogue and the shoppers as known on a day: `python -m jobs.items --ds D`.

The catalogue of a day is the newest earlier one, overlaid with what events said since (`item_sightings`), overlaid with
the newest catalogue delivery. Sightings that may still have been incomplete when the earlier catalogue was made are
read again, so that any chain of earlier days gives the same rows as one pass over everything.
"""

from collections.abc import Mapping
from datetime import date
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs import deliveries
from jobs.as_of import AsOf, write_days
from jobs.cli import day_job
from jobs.spark import SPARK_TYPES, conform, read
from lake import mapping, storage
from lake.clock import Cutoff, DayRange, day_start, parse_day, shift
from lake.columns import Columns as C
from lake.settings import Settings
from lake.tables import TABLES

SIGHTED = (C.TITLE, C.DESCRIPTION, C.CATEGORY, C.BRAND, C.PRICE)
"""Attributes that may come with an event."""

DECLARED = (*SIGHTED, C.MARGIN, C.IN_STOCK)
"""Attributes that may come with a catalogue delivery."""

CATALOGUE, FRESH, BASE, STALE = 3, 2, 1, 0
"""Whose word counts for more: a delivery's, a recent event's, the earlier day's, a very late event's."""


def sightings(events: DataFrame) -> DataFrame:
    """The rows of `item_sightings` that a frame of clean events gives.

    Args:
        events: item_id, event_ts, ingested_ts, ds and any of title, description, category, brand, price; a missing
            attribute is NULL throughout.

    Returns:
        One row an item, day and delivery hour, with the last known value of each attribute. The delivery time is
        rounded **up** to the hour: the cut-off lies on an hour, so nothing becomes visible early, and a log that
        stamps every row still gives few rows.
    """
    hour = F.date_trunc(
        "hour",
        F.col(C.INGESTED_TS) + F.expr("INTERVAL '0.999999' SECOND") + F.expr("INTERVAL '59:59' MINUTE TO SECOND"),
    )
    known = [name for name in SIGHTED if name in events.columns]
    rows = events.groupBy(C.ITEM_ID, hour.alias(C.INGESTED_TS), C.DS).agg(
        F.min(C.EVENT_TS).alias(C.FIRST_TS),
        F.max(C.EVENT_TS).alias(C.SEEN_TS),
        *[_newest(F.col(name), F.col(C.EVENT_TS)).alias(name) for name in known],
    )
    return conform(
        rows.select("*", *[F.lit(None).alias(n) for n in SIGHTED if n not in known]), TABLES["item_sightings"]
    )


def _newest(value: Column, *order: Column) -> Column:
    """The known value that is last by `order`; equal order is settled by the value, never by the row's place."""
    keys = [key.alias(f"k{i}") for i, key in enumerate(order)]
    return F.max(F.when(value.isNotNull(), F.struct(*keys, value.alias("value"))))["value"]


def build_items(spark: SparkSession, settings: Settings, as_of: date) -> DataFrame:
    """Rows of `items` for a day, from the lake: an earlier catalogue, sightings, and the newest catalogue delivery."""
    source = mapping.load(settings.source)
    delivered = deliveries.catalogue(spark, settings, source, as_of)
    if delivered is not None and source.items and not source.items.columns.get(C.IN_STOCK):
        # Without a stock column, being listed is what says that an item may be sold.
        delivered = delivered.withColumn(C.IN_STOCK, F.lit(True))
    return merge(spark, settings, as_of, delivered)


def merge(spark: SparkSession, settings: Settings, as_of: date, delivered: DataFrame | None) -> DataFrame:
    """The catalogue as of a day: columns of `items`.

    Args:
        delivered: the newest catalogue delivery known as of the day: item_id, attributes, optionally first_seen_ts
            (else the day itself, for an item that nothing named before); None where there is none.

    A delivery's value wins over an event's, an event's over the earlier day's; NULL never wins. An item once known
    stays, but where the delivery is a full list, it is out of stock when the list drops it (`_withdrawn`). An event
    delivered more than LATE_DAYS late fills gaps and can move `first_seen_ts`, but does not replace
    a value of the earlier day.
    """
    seen, earlier = _remembered(spark, settings, as_of)
    claims = [seen] if earlier is None else [seen, earlier]
    if delivered is not None:
        if earlier is not None:
            # It is asked for three times: read its file once.
            delivered = delivered.localCheckpoint()
            claims.append(_withdrawn(earlier, delivered, as_of))
        first = F.col(C.FIRST_SEEN_TS) if C.FIRST_SEEN_TS in delivered.columns else F.lit(day_start(as_of))
        claims.append(_claim(delivered, F.lit(CATALOGUE), F.lit(day_start(as_of)), first))
    voices = reduce(DataFrame.unionByName, claims)
    merged = voices.groupBy(C.ITEM_ID).agg(
        F.min(C.FIRST_SEEN_TS).alias(C.FIRST_SEEN_TS),
        *[_newest(F.col(name), F.col("voice"), F.col("at")).alias(name) for name in DECLARED],
    )
    return conform(merged.withColumn(C.DS, F.lit(as_of.isoformat())), TABLES["items"])


def _claim(rows: DataFrame, voice: Column, at: Column, first: Column) -> DataFrame:
    """Rows as claims about items: every attribute (NULL where unknown), whose word it is, and since when."""
    attributes = [
        (F.col(name) if name in rows.columns else F.lit(None))
        .cast(SPARK_TYPES[TABLES["items"].column(name).type])
        .alias(name)
        for name in DECLARED
    ]
    return rows.select(
        C.ITEM_ID, *attributes, voice.alias("voice"), at.alias("at"), first.cast("timestamp").alias(C.FIRST_SEEN_TS)
    )


def _withdrawn(earlier: DataFrame, delivered: DataFrame, as_of: date) -> DataFrame:
    """Claims that items are out of stock: those in stock until now, which the newest delivery no longer lists.

    Only a delivery can say that an item is in stock, so such an item was listed once. A delivery that lists fewer than
    half of them is a fragment and withdraws nothing. Items withdrawn long ago do not count, or a catalogue that changes
    over the years would never be full.
    """
    known = earlier.where(C.IN_STOCK).select(C.ITEM_ID, C.FIRST_SEEN_TS)
    known = known.join(delivered.select(C.ITEM_ID, F.lit(True).alias("listed")), C.ITEM_ID, "left")
    full = known.agg((F.count("listed") * 2 >= F.count("*")).alias("full"))
    gone = known.where(F.col("listed").isNull()).crossJoin(F.broadcast(full)).where("full")
    rows = gone.select(C.ITEM_ID, C.FIRST_SEEN_TS, F.lit(False).alias(C.IN_STOCK))
    return _claim(rows, F.lit(CATALOGUE), F.lit(day_start(as_of)), F.col(C.FIRST_SEEN_TS))


def _remembered(spark: SparkSession, settings: Settings, as_of: date) -> tuple[DataFrame, DataFrame | None]:
    """Claims of the sightings that the newest earlier catalogue did not know for certain, and of that catalogue."""
    cut = Cutoff.as_of(as_of, settings.delivery_cutoff_hours)
    seen = read(spark, settings, "item_sightings", end=as_of.isoformat()).where(
        (F.col(C.SEEN_TS) < F.lit(cut.events_before)) & (F.col(C.INGESTED_TS) <= F.lit(cut.ingested_until))
    )
    base = max((ds for ds in storage.days(settings, "items") if ds < as_of.isoformat()), default=None)
    if base is None:
        return _claim(seen, F.lit(FRESH), F.col(C.SEEN_TS), F.col(C.FIRST_TS)), None
    made = parse_day(base)
    fresh = F.col(C.DS) > shift(made, -settings.late_days).isoformat()
    late = F.col(C.INGESTED_TS) > F.lit(Cutoff.as_of(made, settings.delivery_cutoff_hours).ingested_until)
    voice = F.when(fresh, FRESH).otherwise(STALE)
    earlier = read(spark, settings, "items", base, base)
    return (
        _claim(seen.where(fresh | late), voice, F.col(C.SEEN_TS), F.col(C.FIRST_TS)),
        _claim(earlier, F.lit(BASE), F.lit(day_start(made)), F.col(C.FIRST_SEEN_TS)),
    )


def last_seen(known: AsOf) -> DataFrame:
    """One row a shopper of the look-back: country and device of the last event that has one."""
    places = (
        known.events.where(F.col(C.USER_ID).isNotNull())
        .groupBy(C.USER_ID, C.COUNTRY, C.DEVICE)
        .agg(F.max(C.EVENT_TS).alias(C.EVENT_TS))
    )
    return places.groupBy(C.USER_ID).agg(
        *[_newest(F.col(name), F.col(C.EVENT_TS)).alias(name) for name in (C.COUNTRY, C.DEVICE)]
    )


def build_users(spark: SparkSession, settings: Settings, as_of: date) -> DataFrame:
    """Rows of `users` for a day."""
    known = AsOf(spark, settings, as_of)
    return known.table("users", last_seen(known))


def _tables(known: AsOf) -> Mapping[str, DataFrame]:
    items = build_items(known.spark, known.settings, known.day)
    return {"items": items, "users": known.table("users", last_seen(known))}


def run(settings: Settings, days: DayRange, spark: SparkSession | None = None) -> Mapping[str, Any]:
    """Replace `items` and `users` of every day of a range, ascending, so that each day builds on the one before."""
    return write_days(_tables, "jobs.items", settings, days, spark)


app = day_job(run, __doc__ or "")

if __name__ == "__main__":
    app()
