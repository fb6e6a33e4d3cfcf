"""How an item does, as of a day: `python -m jobs.item_features --ds D`.

Counts leave out bots (`AsOf.bots`): one crawler would otherwise make the pages it reads the most popular ones.
"""

from collections.abc import Mapping
from datetime import date
from functools import reduce
from operator import add
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from jobs.as_of import AsOf, days_before, write_days
from jobs.cli import day_job
from jobs.items import build_items
from jobs.user_features import daily, window_counts
from lake.clock import DayRange
from lake.columns import EVENT_TYPES, WINDOWS
from lake.columns import Columns as C
from lake.settings import Settings

PRIOR_VIEWS = 20
"""Views at the log's own conversion that every item is credited with, so that one lucky view is no 100 %."""

BANDS = 10


def item_features(known: AsOf, items: DataFrame) -> DataFrame:
    """Rows of `item_features`: every item of the catalogue, with zeros where nothing happened.

    Args:
        items: the catalogue as of the day.
    """
    counts = (
        daily(known.human_events, C.ITEM_ID)
        .groupBy(C.ITEM_ID)
        .agg(*window_counts(), days_before(F.max("last"), known.day).alias(C.DAYS_SINCE_LAST))
    )
    people = (
        known.without_bots(known.touches, F.col(C.USER_ID))
        .groupBy(C.ITEM_ID)
        .agg(F.count_if("bought").alias(C.BUYERS), F.count("*").alias(C.VISITORS))
    )
    zeros = [C.count(kind, days) for kind in EVENT_TYPES for days in WINDOWS]
    catalogue = items.select(C.ITEM_ID, C.PRICE, days_before(F.col(C.FIRST_SEEN_TS), known.day).alias(C.AGE_DAYS)).join(
        _price_bands(items), C.PRICE, "left"
    )
    rows = (
        catalogue.join(counts, C.ITEM_ID, "left")
        .join(people, C.ITEM_ID, "left")
        .fillna(0, [*zeros, C.BUYERS, C.VISITORS])
    )
    everywhere = rows.agg((F.sum(C.count("purchase", 30)) / F.sum(C.count("view", 30))).alias("conversion_at_large"))
    return known.table(
        "item_features",
        rows.crossJoin(F.broadcast(everywhere)).withColumns({C.TREND: trend(), C.CONVERSION: conversion()}),
    )


def trend() -> Column:
    """ln of the 7-day rate over the 30-day rate, one event a week added to both: 0 is steady, ln(30/7) is all new."""
    week, month = (reduce(add, [F.col(C.count(kind, days)) for kind in EVENT_TYPES]) for days in (7, 30))
    return F.round(F.log((week + 1) / 7 / ((month + 30 / 7) / 30)), 9)


def conversion() -> Column:
    """Purchases a view in 30 days, drawn towards the log's own rate by 20 views; 0 in a log without views.

    It exceeds 1 where an item is bought without being viewed.
    """
    at_large = F.col("conversion_at_large")
    bought, viewed = F.col(C.count("purchase", 30)), F.col(C.count("view", 30))
    return F.coalesce((bought + PRIOR_VIEWS * at_large) / (viewed + PRIOR_VIEWS), F.lit(0.0))


def _price_bands(items: DataFrame) -> DataFrame:
    """Price -> decile among the priced items; equal prices share a band."""
    prices = items.where(F.col(C.PRICE).isNotNull()).groupBy(C.PRICE).agg(F.count("*").alias("n"))
    cheaper = F.sum("n").over(Window.orderBy(C.PRICE)) - F.col("n")
    band = F.floor(cheaper * BANDS / F.sum("n").over(Window.partitionBy()))
    return prices.select(C.PRICE, band.cast("int").alias(C.PRICE_BAND))


def build(spark: SparkSession, settings: Settings, as_of: date) -> DataFrame:
    """Rows of `item_features` for a day, from the lake."""
    return item_features(AsOf(spark, settings, as_of), build_items(spark, settings, as_of))


def _tables(known: AsOf) -> Mapping[str, DataFrame]:
    items = known.keep(build_items(known.spark, known.settings, known.day))
    return {"item_features": item_features(known, items)}


def run(settings: Settings, days: DayRange, spark: SparkSession | None = None) -> Mapping[str, Any]:
    """Replace `item_features` of every as-of day of a range."""
    return write_days(_tables, "jobs.item_features", settings, days, spark)


app = day_job(run, __doc__ or "")

if __name__ == "__main__":
    app()
