"""Nothing leaks through either clock, windows end where they say, and bots are found."""

from datetime import timedelta

import pytest
from pyspark.sql import SparkSession

from jobs.as_of import AGE, AsOf, days_before, events_as_of
from lake.columns import Columns as C
from lake.settings import Settings
from tests.jobs.planted_log import DAY, NEXT, at, event, events_frame

pytestmark = pytest.mark.integration


def shoppers(frame) -> set[str]:
    return {row[0] for row in frame.select(C.USER_ID).distinct().collect() if row[0]}


def test_future_and_late_facts_stay_out_until_their_day(spark: SparkSession, planted: Settings) -> None:
    today = shoppers(events_as_of(spark, planted, DAY))
    assert "prompt" in today, "what arrives exactly at the cut-off counts"
    assert not today & {"tardy", "future"}
    assert {"tardy", "future", "prompt"} <= shoppers(events_as_of(spark, planted, NEXT))


def test_the_look_back_holds_exactly_its_days(spark: SparkSession, planted: Settings) -> None:
    year = shoppers(events_as_of(spark, planted, DAY))
    assert "old" in year
    assert "older" not in year
    assert {row[0] for row in events_as_of(spark, planted, DAY, days=1).select(C.DS).collect()} == {DAY.isoformat()}


def test_a_lake_without_events_gives_an_empty_view(spark: SparkSession, tmp_settings: Settings) -> None:
    view = AsOf(spark, tmp_settings, DAY)
    assert view.human_events.count() == 0
    assert (view.actor_days, view.bots) == (0, frozenset())
    view.release()


def test_age_counts_days_from_zero(known: AsOf) -> None:
    ages = {row[AGE] for row in known.events.where("user_id = 'alice'").select(AGE).collect()}
    assert ages == {0, 3, 6, 7, 29, 30, 89, 90}


def test_days_before_measures_to_the_end_of_the_day(spark: SparkSession) -> None:
    frame = spark.createDataFrame([(at(0, "12:00"),), (at(1, "00:00"),)], "t timestamp")
    assert [row[0] for row in frame.select(days_before(frame.t, DAY)).collect()] == [0.5, 2.0]


def test_the_crawler_is_a_bot_and_the_wholesaler_is_none(known: AsOf) -> None:
    assert known.bots == {"crawler"}
    people = shoppers(known.human_events)
    assert "whale" in people
    assert "crawler" not in people
    assert known.human_events.where("user_id is null and session_id is null").count() == 1


def test_large_days_are_no_bots_where_they_are_ordinary(spark: SparkSession, planted: Settings) -> None:
    rows = [event(f"u{u}", f"I{i}", "purchase", at(1) + timedelta(seconds=i)) for u in range(3) for i in range(40)]
    wholesale = AsOf(spark, planted.model_copy(update={"bot_events_a_day": 30}), DAY)
    wholesale.__dict__["events"] = events_frame(spark, rows).withColumn(AGE, days_before_int())
    assert wholesale.bots == frozenset()


def days_before_int():
    from pyspark.sql import functions as F

    return F.lit(1)
