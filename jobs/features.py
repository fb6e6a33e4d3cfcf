"""All features of an as-of day in one session: `python -m jobs.features --ds D`.

`jobs.day` calls `build_all` between its gates; the four commands `jobs.items`, `jobs.user_features`,
`jobs.item_features` and `jobs.co_visitation` make the same rows one table at a time.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from jobs.as_of import AsOf, write_days
from jobs.cli import day_job
from jobs.co_visitation import co_visitation
from jobs.item_features import item_features
from jobs.items import build_items
from jobs.user_features import user_features
from lake.clock import DayRange
from lake.columns import Columns as C
from lake.settings import Settings


def build_all(spark: SparkSession, settings: Settings, as_of: date, known: AsOf | None = None) -> dict[str, DataFrame]:
    """Rows of `items`, `users`, `user_features`, `item_features` and `co_visitation` for a day, in that order.

    Args:
        known: the day's view; pass one and call its `release` after writing, or what it cached stays with the session.

    Returns:
        Lazy frames over cached events; cache a frame where a gate reads it before the write does.
    """
    known = known or AsOf(spark, settings, as_of)
    items = known.keep(build_items(spark, settings, as_of))
    shoppers = known.keep(user_features(known, items))
    return {
        "items": known.table("items", items),
        "users": known.table("users", shoppers.select(C.USER_ID, C.COUNTRY, C.DEVICE)),
        "user_features": known.table("user_features", shoppers),
        "item_features": item_features(known, items),
        "co_visitation": co_visitation(known),
    }


def run(settings: Settings, days: DayRange, spark: SparkSession | None = None) -> Mapping[str, Any]:
    """Replace all five tables of every as-of day of a range, ascending."""
    return write_days(
        lambda known: build_all(known.spark, settings, known.day, known), "jobs.features", settings, days, spark
    )


app = day_job(run, __doc__ or "")

if __name__ == "__main__":
    app()
