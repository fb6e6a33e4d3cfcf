"""The catalogue of a day: merged the same from any chain of earlier days, and blind to what it could not know."""

import shutil
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.as_of import AsOf
from jobs.items import build_items, build_users, last_seen, merge, sightings
from lake.clock import day_start
from lake.columns import Columns as C
from lake.settings import Settings
from lake.tables import TABLES
from tests.jobs import planted_log as log
from tests.jobs.planted_log import DAY, NEXT, at, event, events_frame

pytestmark = pytest.mark.integration

CATALOGUE = "item_id string, title string, description string, category string, brand string, price double, "
CATALOGUE += "margin double, in_stock boolean"


def sighted(spark: SparkSession, rows: list[dict[str, Any]]) -> DataFrame:
    """Sightings of events that carry a title."""
    titles = [(row[C.EVENT_ID], row.pop("title", None)) for row in rows]
    frame = events_frame(spark, rows)
    return sightings(frame.join(spark.createDataFrame(titles, "event_id string, title string"), C.EVENT_ID))


def by_item(frame: DataFrame) -> dict[str, dict[str, Any]]:
    return {row[C.ITEM_ID]: row.asDict() for row in frame.collect()}


@pytest.fixture(scope="module")
def changing() -> list[dict[str, Any]]:
    """Events whose attributes change, one of them delivered two days late."""
    return [
        event("u", "A", "view", at(9), price=1.0, title="first"),
        event("u", "B", "view", at(9, "08:00"), price=8.0, title="keeps its title"),
        event("u", "A", "view", at(4), price=2.0, title="second", ingested_ts=at(1, "05:00")),
        event("u", "B", "view", at(4), price=9.0),
        event("u", "A", "view", at(5), price=1.5),
        event("u", "D", "view", at(0, "23:00"), price=4.0),
        event("u", "E", "view", at(0, "10:00"), price=5.0, ingested_ts=at(-1, "06:00")),
        event("u", "F", "view", at(0, "10:00"), price=6.0, ingested_ts=at(-1, "06:00") + timedelta(seconds=1)),
        event("u", "G", "view", at(-1, "00:00"), price=7.0, ingested_ts=at(0)),
    ]


@pytest.fixture(scope="module")
def chains(spark: SparkSession, changing, tmp_path_factory) -> dict[str, dict[str, dict[str, Any]]]:
    """The catalogue of DAY from nothing, and over chains of earlier days."""
    found = {}
    first = log.settings_on(tmp_path_factory.mktemp("sightings") / "lake")
    log.write(first, "item_sightings", sighted(spark, [dict(row) for row in changing]))
    for name, ages in {"one_pass": [], "nightly": [4, 2, 1], "after_the_late": [1]}.items():
        settings = log.settings_on(tmp_path_factory.mktemp(name))
        shutil.copytree(first.lake_root, settings.lake_root)
        for age in ages:
            day = DAY - timedelta(days=age)
            log.write(settings, "items", merge(spark, settings, day, None), [day.isoformat()])
        found[name] = by_item(merge(spark, settings, DAY, None))
    return found


@pytest.mark.parametrize("chain", ["nightly", "after_the_late"])
def test_every_chain_of_days_gives_the_same_catalogue(chains, chain: str) -> None:
    assert chains[chain] == chains["one_pass"]


def test_the_last_known_value_wins_and_a_late_one_finds_its_place(chains) -> None:
    items = chains["one_pass"]
    assert (items["A"][C.TITLE], items["A"][C.PRICE], items["A"][C.FIRST_SEEN_TS]) == ("second", 2.0, naive(at(9)))
    assert (items["B"][C.TITLE], items["B"][C.PRICE]) == ("keeps its title", 9.0)
    assert items["D"][C.CATEGORY] is None


def test_neither_late_nor_future_sightings_leak(chains) -> None:
    assert set(chains["one_pass"]) == {"A", "B", "D", "E"}


def naive(when: datetime) -> datetime:
    """As `collect` gives it: in the local zone of the driver, without a zone."""
    return datetime.fromtimestamp(when.timestamp())


def test_a_delivery_wins_where_it_knows_and_adds_items(spark: SparkSession, planted: Settings) -> None:
    delivered = spark.createDataFrame(
        [("A", "Bear", None, "toys", "Acme", 12.0, 0.4, True), ("N", "New", None, None, None, None, None, False)],
        CATALOGUE,
    )
    items = by_item(merge(spark, planted, DAY, delivered))
    assert (items["A"][C.TITLE], items["A"][C.PRICE], items["A"][C.IN_STOCK]) == ("Bear", 12.0, True)
    assert items["A"][C.FIRST_SEEN_TS] == naive(at(90, "23:59")), "its first event, not the day of the delivery"
    assert (items["N"][C.FIRST_SEEN_TS], items["N"][C.IN_STOCK]) == (naive(day_start(DAY)), False)
    assert (items["B"][C.PRICE], items["B"][C.IN_STOCK]) == (5.25, None)
    assert list(items["A"]) == TABLES["items"].column_names


def test_an_item_once_delivered_stays(spark: SparkSession, tmp_path) -> None:
    settings = log.settings_on(tmp_path / "lake")
    first = spark.createDataFrame([("N", "New", None, "toys", None, 3.0, 0.5, True)], CATALOGUE)
    log.write(settings, "items", merge(spark, settings, DAY, first), [DAY.isoformat()])
    then = by_item(merge(spark, settings, NEXT, spark.createDataFrame([], CATALOGUE)))
    assert (then["N"][C.TITLE], then["N"][C.MARGIN], then["N"][C.IN_STOCK]) == ("New", 0.5, True)
    assert then["N"][C.FIRST_SEEN_TS] == naive(day_start(DAY)), "known since the day before"


def listing(spark: SparkSession, items: str) -> DataFrame:
    """A catalogue delivery of items with letters for names; a small letter is out of stock."""
    rows = [(i.upper(), i.upper(), None, None, None, 1.0, 0.5, i.isupper()) for i in items]
    return spark.createDataFrame(rows, CATALOGUE)


LISTED = {4: "ABCD", 2: "ABC", 1: "AB", 0: "ABdN"}
"""What the catalogue deliveries of so many days before DAY list."""


@pytest.mark.parametrize("ages", [[4, 2, 1], [4, 1], [4]], ids=str)
def test_an_item_that_a_full_list_drops_is_out_of_stock(spark: SparkSession, tmp_path, ages: list[int]) -> None:
    settings = log.settings_on(tmp_path / "lake")
    for age in ages:
        day = DAY - timedelta(days=age)
        log.write(settings, "items", merge(spark, settings, day, listing(spark, LISTED[age])), [day.isoformat()])
    stock = {
        name: row[C.IN_STOCK] for name, row in by_item(merge(spark, settings, DAY, listing(spark, "ABDN"))).items()
    }
    assert stock == {"A": True, "B": True, "C": False, "D": True, "N": True}, "D is back"
    today = by_item(merge(spark, settings, DAY, listing(spark, LISTED[0])))
    assert {name: row[C.IN_STOCK] for name, row in today.items()} == {**stock, "D": False}
    assert (today["C"][C.TITLE], today["C"][C.PRICE]) == ("C", 1.0), "what was known of it stays"
    assert today["C"][C.FIRST_SEEN_TS] == naive(day_start(DAY - timedelta(days=4)))


def test_a_fragment_of_a_catalogue_withdraws_nothing(spark: SparkSession, tmp_path) -> None:
    settings = log.settings_on(tmp_path / "lake")
    log.write(settings, "items", merge(spark, settings, DAY, listing(spark, "ABCDe")), [DAY.isoformat()])
    few, half = (by_item(merge(spark, settings, NEXT, listing(spark, items))) for items in ("aXYZ", "aBXYZ"))
    assert [few[name][C.IN_STOCK] for name in "ABCDE"] == [False, True, True, True, False]
    assert [half[name][C.IN_STOCK] for name in "ABCDE"] == [False, True, False, False, False]
    assert "D" in by_item(merge(spark, settings, NEXT, None)), "no delivery, no verdict"


def test_sightings_keep_deliveries_apart_and_round_up(spark: SparkSession) -> None:
    rows = [
        event("u", "A", "view", at(1, "10:00"), price=1.0, title="early", ingested_ts=at(0, "06:00")),
        event("u", "A", "view", at(1, "09:00"), price=2.0, ingested_ts=at(0, "05:10")),
        event("u", "A", "view", at(1, "11:00"), price=3.0, ingested_ts=at(0, "06:01")),
    ]
    found = sighted(spark, rows).orderBy(C.INGESTED_TS).collect()
    assert [(row[C.INGESTED_TS], row[C.PRICE], row[C.TITLE]) for row in found] == [
        (naive(at(0, "06:00")), 1.0, "early"),
        (naive(at(0, "07:00")), 3.0, None),
    ]
    assert (found[0][C.FIRST_TS], found[0][C.SEEN_TS]) == (naive(at(1, "09:00")), naive(at(1, "10:00")))


def test_users_are_where_they_were_last_seen(spark: SparkSession, planted: Settings, known: AsOf) -> None:
    rows = {row[C.USER_ID]: (row[C.COUNTRY], row[C.DEVICE]) for row in build_users(spark, planted, DAY).collect()}
    assert (rows["alice"], rows["bob"], rows["old"]) == (("GB", "mobile"), ("FR", "desktop"), (None, None))
    assert set(rows) == {"alice", "bob", "old", "prompt", "crawler", "whale"}
    assert last_seen(known).count() == len(rows)


def test_the_day_of_a_catalogue_is_its_partition(spark: SparkSession, planted: Settings) -> None:
    assert {row[C.DS] for row in merge(spark, planted, date(2026, 11, 18), None).collect()} == {"2026-11-18"}


def test_being_listed_is_being_in_stock_where_stock_is_not_mapped(spark: SparkSession, tmp_path, monkeypatch) -> None:
    settings = log.settings_on(tmp_path / "lake")
    settings = settings.model_copy(
        update={"source": Path(__file__).resolve().parents[2] / "sources" / "movielens.yaml"}
    )
    films = listing(spark, "AB").withColumn(C.IN_STOCK, F.lit(None).cast("boolean"))
    monkeypatch.setattr("jobs.items.deliveries.catalogue", lambda *_: films)
    assert {row[C.IN_STOCK] for row in build_items(spark, settings, DAY).collect()} == {True}
