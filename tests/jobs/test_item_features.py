"""Hand-computed features of items: anonymous visits count, a bot's do not, an item without events is there."""

from math import log

import pytest
from pyspark.sql import Row

from jobs.as_of import AsOf
from jobs.item_features import item_features
from lake.columns import Columns as C
from lake.tables import TABLES
from tests.jobs.planted_log import DAY

pytestmark = pytest.mark.integration

AT_LARGE = 5 / 8
"""Purchases a view over the catalogue in 30 days: A 3, B 2 and A 3, B 1, C 4."""

WORKED_OUT = {
    "A": {
        C.count("view", 1): 2,
        C.count("view", 30): 3,
        C.count("view", 90): 5,
        C.count("cart", 7): 1,
        C.count("purchase", 1): 1,
        C.count("purchase", 7): 3,
        C.count("purchase", 90): 3,
        C.count("rating", 7): 1,
        C.BUYERS: 3,
        C.VISITORS: 3,
        C.TREND: log((8 / 7) / ((8 + 30 / 7) / 30)),
        C.CONVERSION: (3 + 20 * AT_LARGE) / (3 + 20),
        C.DAYS_SINCE_LAST: 13 / 24,
        C.AGE_DAYS: 100.5,
        C.PRICE: 10.0,
        C.PRICE_BAND: 2,
    },
    "B": {C.count("purchase", 7): 2, C.BUYERS: 2, C.VISITORS: 2, C.PRICE_BAND: 0},
    "C": {
        C.count("view", 1): 2,
        C.count("view", 7): 3,
        C.count("view", 30): 4,
        C.count("purchase", 90): 0,
        C.BUYERS: 0,
        C.VISITORS: 1,
        C.DAYS_SINCE_LAST: 11 / 24,
        C.PRICE: None,
        C.PRICE_BAND: None,
    },
    "N": {
        C.count("view", 90): 0,
        C.count("purchase", 90): 0,
        C.BUYERS: 0,
        C.TREND: 0.0,
        C.CONVERSION: AT_LARGE,
        C.DAYS_SINCE_LAST: None,
        C.AGE_DAYS: 5.0,
        C.PRICE_BAND: 5,
    },
    "Z": {C.count("view", 7): 0, C.VISITORS: 0, C.DAYS_SINCE_LAST: None, C.PRICE_BAND: 5},
}


@pytest.fixture(scope="module")
def rows(known: AsOf, catalogue) -> dict[str, Row]:
    return {row[C.ITEM_ID]: row for row in item_features(known, catalogue).collect()}


@pytest.mark.parametrize("item", WORKED_OUT)
def test_worked_out_by_hand(rows: dict[str, Row], item: str) -> None:
    found = rows[item].asDict()
    assert {name: found[name] for name in WORKED_OUT[item]} == pytest.approx(WORKED_OUT[item])


def test_one_row_an_item_of_the_catalogue_as_defined(rows: dict[str, Row]) -> None:
    table = TABLES["item_features"]
    assert set(rows) == set(WORKED_OUT)
    for row in rows.values():
        assert list(row.asDict()) == table.column_names
        assert all(row[c.name] is not None for c in table.columns if not c.nullable)
        assert row[C.DS] == DAY.isoformat()


def test_a_log_without_views_converts_nothing(known: AsOf, catalogue) -> None:
    bought = known.human_events.where("event_type = 'purchase'")
    only_sales = AsOf(known.spark, known.settings, DAY)
    only_sales.__dict__["human_events"] = bought
    only_sales.__dict__["events"] = bought
    row = item_features(only_sales, catalogue).where("item_id = 'A'").first()
    assert (row[C.CONVERSION], row[C.count("purchase", 7)]) == (0.0, 3)
    only_sales.release()
