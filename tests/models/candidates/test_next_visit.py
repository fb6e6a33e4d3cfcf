"""The regression of the next visit: what leads to what, what comes into season, and logs too short to tell."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lake.clock import shift
from lake.settings import Settings
from models.candidates.next_visit import NextVisit, NextVisitScorer
from models.config import EventWeights, NextVisitConfig
from models.snapshot import Snapshot
from tests.models import small_shop
from tests.models.small_shop import FIRST, event

DAYS = 40
AS_OF = shift(FIRST, DAYS - 1)
Shop = Callable[[list[dict[str, Any]]], Snapshot]


@pytest.fixture
def shop(tmp_settings: Settings) -> Shop:
    def make(rows: list[dict[str, Any]]) -> Snapshot:
        small_shop.write(tmp_settings, "events", rows)
        small_shop.features(tmp_settings, [AS_OF])
        return Snapshot.load(tmp_settings, AS_OF)

    return make


def prepared(snapshot: Snapshot, **config: Any) -> NextVisitScorer:
    return NextVisit(NextVisitConfig(**config), EventWeights()).prepare(snapshot)


def scores(snapshot: Snapshot, scorer: NextVisitScorer, user: str) -> dict[str, float]:
    row = scorer.signals(snapshot.rows_of([user]))["next_visit"].dense()[0]
    return {str(item): float(score) for item, score in zip(snapshot.items, row, strict=True)}


def test_what_leads_to_something_proposes_it_but_not_the_other_way_round(shop: Shop) -> None:
    """Forty shoppers took a kettle and a week later tea; forty others cups and then something of anything."""
    rows = []
    for n in range(40):
        start = n % (DAYS - 9)
        rows += [event(f"k{n:02d}", "i00", shift(FIRST, start)), event(f"k{n:02d}", "i01", shift(FIRST, start + 7))]
        rows += [event(f"c{n:02d}", "i02", shift(FIRST, start))]
        rows += [event(f"c{n:02d}", f"i{10 + n % 20:02d}", shift(FIRST, start + 7))]
    rows += [event("has_kettle", "i00", AS_OF), event("has_tea", "i01", AS_OF), event("has_cups", "i02", AS_OF)]
    snapshot = shop(rows)
    scorer = prepared(snapshot, regularisation=1.0)
    kettle, tea, cups = (scores(snapshot, scorer, f"has_{name}") for name in ("kettle", "tea", "cups"))
    assert max(kettle, key=lambda item: kettle[item]) == "i01"
    assert kettle["i01"] > 3 * max(cups["i01"], 0.0)
    assert kettle["i01"] > 3 * max(tea["i00"], 0.0), "nobody takes a kettle after tea"
    told = scorer.explain(snapshot.rows_of(["has_kettle"]), snapshot.items_of(["i01"]))
    assert (told.code[0], snapshot.items[told.value[0]]) == ("co", "i00")


def test_what_comes_into_season_counts_more_than_what_went(shop: Shop) -> None:
    rows = []
    for n in range(60):
        early = shift(FIRST, n % 10)
        rows += [event(f"u{n:02d}", "i00", early), event(f"u{n:02d}", "i05", shift(early, 8))]
        late = shift(FIRST, 20 + n % 10)
        rows += [event(f"v{n:02d}", "i00", late), event(f"v{n:02d}", "i06", shift(late, 8))]
    snapshot = shop([*rows, event("now", "i00", AS_OF)])
    found = scores(snapshot, prepared(snapshot, half_life=1.0), "now")
    assert found["i06"] > 1.5 * found["i05"] > 0


def test_a_log_too_short_for_a_window_or_without_returns_proposes_nothing(shop: Shop) -> None:
    once = [event(f"u{n:02d}", f"i{n % 5:02d}", AS_OF) for n in range(30)]
    snapshot = shop(once)
    scorer = prepared(snapshot)
    rows = np.arange(len(snapshot.users), dtype=np.int32)
    assert np.isneginf(scorer.signals(rows)["next_visit"].dense()).all()
    assert not scorer.partners.any()
