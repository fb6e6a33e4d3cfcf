"""What a shopper did, as of a day: `python -m jobs.user_features --ds D`.

Events are first reduced to one row a shopper and day, so that the many windowed sums run over few rows; money is summed
in whole hundredths of a cent, so that the result does not depend on the order of the rows.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.as_of import AGE, AsOf, days_before, write_days
from jobs.cli import day_job
from jobs.items import build_items, last_seen
from lake.clock import DayRange
from lake.columns import EVENT_TYPES, WINDOWS
from lake.columns import Columns as C
from lake.settings import Settings

MONEY = 10_000
LARGEST = 1e9
"""A line worth more than this counts as this much, so that one absurd price cannot overflow the sums."""


def exact(amount: Column) -> Column:
    """Money as a whole number of 1/10000 units, NULL where unknown: integers add up the same in any order."""
    # Not `least`, which would take an unknown amount for the largest.
    bounded = F.when(amount > LARGEST, LARGEST).otherwise(amount)
    return F.round(bounded * MONEY).cast("long")


def daily(events: DataFrame, key: str) -> DataFrame:
    """One row a key and day: number of events by type (`n_view`, ...), first and last event."""
    return events.groupBy(key, AGE).agg(
        *[F.count_if(F.col(C.EVENT_TYPE) == kind).alias(f"n_{kind}") for kind in EVENT_TYPES],
        F.min(C.EVENT_TS).alias("first"),
        F.max(C.EVENT_TS).alias("last"),
        F.sum(
            F.when(
                (F.col(C.EVENT_TYPE) == "purchase") & F.col(C.PRICE).isNotNull(),
                exact(F.coalesce(C.QUANTITY, F.lit(1.0)) * F.col(C.PRICE)),
            )
        ).alias("paid"),
    )


def windowed(value: Column, days: int) -> Column:
    """Sum of a daily value over the last `days` days; 0 where there is none."""
    return F.coalesce(F.sum(F.when(F.col(AGE) < days, value)), F.lit(0))


def window_counts() -> list[Column]:
    """The event counts by type and window, over daily rows."""
    return [windowed(F.col(f"n_{kind}"), days).alias(C.count(kind, days)) for kind in EVENT_TYPES for days in WINDOWS]


def user_features(known: AsOf, items: DataFrame) -> DataFrame:
    """Rows of `user_features`: every known shopper with an event in the look-back, bots included.

    Args:
        items: the catalogue as of the day; gives the price, category and brand of what was touched.
    """
    events = known.events.where(F.col(C.USER_ID).isNotNull())
    base = (
        daily(events, C.USER_ID)
        .groupBy(C.USER_ID)
        .agg(
            *window_counts(),
            days_before(F.max("last"), known.day).alias(C.DAYS_SINCE_LAST),
            days_before(F.min("first"), known.day).alias(C.DAYS_SINCE_FIRST),
            F.count("*").alias(C.ACTIVE_DAYS),
            (windowed(F.col("paid"), 90) / MONEY).alias(C.SPEND),
        )
    )
    rows = base
    for part in (_tastes(known, items), _sessions(events), last_seen(known)):
        rows = rows.join(part, C.USER_ID, "left")
    return known.table("user_features", rows.fillna(0, [C.DISTINCT_ITEMS, C.SESSIONS]))


def _tastes(known: AsOf, items: DataFrame) -> DataFrame:
    """Distinct items of 90 days, their mean price, and the share of events by category and by brand."""
    touched = known.touches.join(F.broadcast(items.select(C.ITEM_ID, C.PRICE, C.CATEGORY, C.BRAND)), C.ITEM_ID, "left")
    prices = touched.groupBy(C.USER_ID).agg(
        F.count("*").alias(C.DISTINCT_ITEMS),
        (F.sum(exact(F.col(C.PRICE))) / F.count(C.PRICE) / MONEY).alias(C.MEAN_PRICE),
    )
    kinds = F.array(*[F.struct(F.lit(k).alias("kind"), F.col(k).alias("label")) for k in (C.CATEGORY, C.BRAND)])
    labels = (
        touched.select(C.USER_ID, "n", F.explode(kinds).alias("of"))
        .where(F.col("of.label").isNotNull())
        .groupBy(C.USER_ID, F.col("of.kind").alias("kind"), F.col("of.label").alias("label"))
        .agg(F.sum("n").alias("n"))
        .groupBy(C.USER_ID)
        .agg(
            _shares("category").alias(C.CATEGORY_AFFINITY),
            _shares("brand").alias(C.BRAND_AFFINITY),
        )
    )
    return prices.join(labels, C.USER_ID, "left")


def _shares(kind: str) -> Column:
    """Label -> share of the events that have such a label; NULL where none has."""
    of_kind = F.col("kind") == kind
    counts = F.map_from_entries(F.array_sort(F.collect_list(F.when(of_kind, F.struct("label", "n")))))
    total = F.sum(F.when(of_kind, F.col("n")))
    return F.when(total > 0, F.transform_values(counts, lambda _, n: n / total))


def _sessions(events: DataFrame) -> DataFrame:
    """Sessions of 30 days: how many, their mean number of events, their mean time from first to last event (s)."""
    visits = (
        events.where((F.col(AGE) < 30) & F.col(C.SESSION_ID).isNotNull())
        .groupBy(C.USER_ID, C.SESSION_ID)
        .agg(
            F.count("*").alias("n"),
            (F.unix_micros(F.max(C.EVENT_TS)) - F.unix_micros(F.min(C.EVENT_TS))).alias("dwell"),
        )
    )
    return visits.groupBy(C.USER_ID).agg(
        F.count("*").alias(C.SESSIONS),
        (F.sum("n") / F.count("*")).alias(C.SESSION_DEPTH),
        (F.sum("dwell") / F.count("*") / 1e6).alias(C.SESSION_DWELL),
    )


def build(spark: SparkSession, settings: Settings, as_of: date) -> DataFrame:
    """Rows of `user_features` for a day, from the lake."""
    return user_features(AsOf(spark, settings, as_of), build_items(spark, settings, as_of))


def _tables(known: AsOf) -> Mapping[str, DataFrame]:
    items = known.keep(build_items(known.spark, known.settings, known.day))
    return {"user_features": user_features(known, items)}


def run(settings: Settings, days: DayRange, spark: SparkSession | None = None) -> Mapping[str, Any]:
    """Replace `user_features` of every as-of day of a range."""
    return write_days(_tables, "jobs.user_features", settings, days, spark)


app = day_job(run, __doc__ or "")

if __name__ == "__main__":
    app()
