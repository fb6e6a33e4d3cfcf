"""Hand-computed features of shoppers at the edges of every window."""

import pytest
from pyspark.sql import Row

from jobs.as_of import AsOf
from jobs.user_features import user_features
from lake.columns import EVENT_TYPES, WINDOWS
from lake.columns import Columns as C
from lake.tables import TABLES
from tests.jobs.planted_log import DAY

pytestmark = pytest.mark.integration

WORKED_OUT = {
    "alice": {
        C.count("view", 1): 2,
        C.count("view", 7): 3,
        C.count("view", 30): 5,
        C.count("view", 90): 7,
        C.count("cart", 1): 1,
        C.count("cart", 90): 1,
        C.count("purchase", 1): 1,
        C.count("purchase", 7): 2,
        C.count("purchase", 90): 2,
        C.count("rating", 90): 0,
        C.DAYS_SINCE_LAST: (13 * 60 + 50) / 1440,
        C.DAYS_SINCE_FIRST: 90 + 1 / 1440,
        C.ACTIVE_DAYS: 8,
        C.DISTINCT_ITEMS: 3,
        C.SPEND: 25.25,
        C.MEAN_PRICE: 7.5,
        C.SESSIONS: 2,
        C.SESSION_DEPTH: 2.5,
        C.SESSION_DWELL: 300.0,
        C.CATEGORY_AFFINITY: {"toys > bears": 0.8, "books": 0.2},
        C.BRAND_AFFINITY: {"Acme": 1.0},
        C.COUNTRY: "GB",
        C.DEVICE: "mobile",
        C.DS: DAY.isoformat(),
    },
    "bob": {
        C.count("rating", 1): 0,
        C.count("rating", 7): 1,
        C.count("purchase", 7): 2,
        C.SPEND: 10.0,
        C.ACTIVE_DAYS: 1,
        C.SESSIONS: 1,
        C.SESSION_DWELL: 0.0,
        C.COUNTRY: "FR",
        C.DEVICE: "desktop",
    },
    "old": {
        C.count("purchase", 90): 0,
        C.DAYS_SINCE_LAST: 365.0,
        C.ACTIVE_DAYS: 1,
        C.DISTINCT_ITEMS: 0,
        C.SPEND: 0.0,
        C.MEAN_PRICE: None,
        C.SESSIONS: 0,
        C.SESSION_DEPTH: None,
        C.SESSION_DWELL: None,
        C.CATEGORY_AFFINITY: None,
        C.BRAND_AFFINITY: None,
        C.COUNTRY: None,
    },
    "crawler": {C.count("view", 7): 1102, C.DISTINCT_ITEMS: 3, C.BRAND_AFFINITY: {"Acme": 1.0}},
}


@pytest.fixture(scope="module")
def rows(known: AsOf, catalogue) -> dict[str, Row]:
    return {row[C.USER_ID]: row for row in user_features(known, catalogue).collect()}


@pytest.mark.parametrize("user", WORKED_OUT)
def test_worked_out_by_hand(rows: dict[str, Row], user: str) -> None:
    found = rows[user].asDict()
    for name, expected in WORKED_OUT[user].items():
        assert found[name] == pytest.approx(expected), name


def test_one_row_a_known_shopper_of_the_look_back(rows: dict[str, Row]) -> None:
    assert set(rows) == {"alice", "bob", "old", "prompt", "crawler", "whale"}


def test_rows_obey_the_definition(rows: dict[str, Row]) -> None:
    table = TABLES["user_features"]
    for row in rows.values():
        assert list(row.asDict()) == table.column_names
        assert all(row[c.name] is not None for c in table.columns if not c.nullable)
    windows = [[row[C.count(kind, days)] for days in WINDOWS] for row in rows.values() for kind in EVENT_TYPES]
    assert all(counts == sorted(counts) for counts in windows), "a longer window holds the shorter one"
