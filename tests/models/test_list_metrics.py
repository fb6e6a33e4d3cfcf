"""Properties of lists against cases worked out by hand."""

import math
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lake.clock import day_start
from lake.settings import Settings
from models.list_metrics import ListMeter, gini
from models.snapshot import Snapshot
from tests.models import small_shop
from tests.models.small_shop import FIRST, event

AS_OF = FIRST + timedelta(days=40)


def shop(settings: Settings, described: list[dict[str, object]]) -> Snapshot:
    """i00 is touched by all four shoppers, i01 by one, i02 by nobody."""
    rows = [event(f"u{n}", "i00", AS_OF) for n in range(4)] + [event("u0", "i01", AS_OF)]
    small_shop.write(settings, "events", rows)
    ds = AS_OF.isoformat()
    small_shop.write(settings, "items", [{"ds": ds, "first_seen_ts": day_start(FIRST), **row} for row in described])
    small_shop.write(settings, "item_features", [{"item_id": "i00", "ds": ds}])
    return Snapshot.load(settings, AS_OF)


def test_novelty_and_new_items_by_hand(tmp_settings: Settings) -> None:
    described = [{"item_id": item} for item in ("i00", "i01")]
    described.append({"item_id": "i02", "first_seen_ts": day_start(AS_OF - timedelta(days=20))})
    meter = ListMeter.of(shop(tmp_settings, described))
    lists = np.array([[0, 1, -1], [2, -1, -1], [-1, -1, -1]])
    assert meter.novelty(lists)[:2] == pytest.approx([(0 + 2) / 2, 2])
    assert meter.new_share(lists)[:2] == pytest.approx([0, 1])
    assert math.isnan(meter.novelty(lists)[2])
    assert math.isnan(meter.diversity(lists)[1])
    assert math.isnan(meter.diversity(lists)[2])


@pytest.mark.parametrize(
    ("described", "alike", "expected"),
    [
        (
            [
                {"item_id": "i00", "category": "a"},
                {"item_id": "i01", "category": "a"},
                {"item_id": "i02", "category": "b"},
            ],
            "category",
            [2 / 3, 0.0],
        ),
        (
            [
                {"item_id": "i00", "title": "RED LANTERN"},
                {"item_id": "i01", "title": "red lantern"},
                {"item_id": "i02", "title": "red cushion"},
            ],
            "title",
            [(0 + 0.5 + 0.5) / 3, 0.0],
        ),
        ([{"item_id": "i00"}, {"item_id": "i01"}, {"item_id": "i02"}], "co-visitation", [1.0, 1.0]),
    ],
    ids=["categories", "titles", "items of which nothing is known"],
)
def test_diversity_by_hand(
    tmp_settings: Settings, described: list[dict[str, object]], alike: str, expected: list[float]
) -> None:
    meter = ListMeter.of(shop(tmp_settings, described))
    assert meter.alike == alike
    assert meter.diversity(np.array([[0, 1, 2], [1, 0, -1]])) == pytest.approx(expected)


def test_gini_by_hand() -> None:
    assert gini(np.array([[0, 1], [2, 3]]), 4) == pytest.approx(0.0)
    assert gini(np.array([[0, -1], [0, -1]]), 4) == pytest.approx(0.75)
    assert math.isnan(gini(np.full((2, 2), -1), 4))


@given(st.lists(st.lists(st.integers(0, 7), min_size=1, max_size=4, unique=True), min_size=1, max_size=8), st.randoms())
@settings(max_examples=60, deadline=None)
def test_gini_is_a_share_and_does_not_depend_on_order(rows: list[list[int]], random: object) -> None:
    lists = np.array([row + [-1] * (4 - len(row)) for row in rows])
    value = gini(lists, 8)
    assert -1e-9 <= value < 1
    assert gini(lists[::-1], 8) == pytest.approx(value)
    assert gini(7 - np.where(lists < 0, 8, lists), 8) == pytest.approx(value)
