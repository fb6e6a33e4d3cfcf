"""Weights in units of a shopper's own spread: the same for every shopper, every value and every scale."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.interface import Ranked
from models.policy import preferences
from models.policy.surface_lists import SurfacePolicy
from models.snapshot import Snapshot
from models.surfaces import Surface
from tests.models.policy import tiny

ITEMS = [f"i{n:02}" for n in range(10)]
NAN = float("nan")


def shop(margin: list[float] | None = None, category: list[str | None] | None = None) -> Snapshot:
    """The lower its number, the more is an item sold; nobody bought i09."""
    events: list[tiny.Event] = [(f"x{n}", ITEMS[i], "view", 1.0) for i in range(9) for n in range(20 - 2 * i)]
    made = tiny.snapshot([*events, ("u", "i08", "view", 1.0)], ITEMS, category=category)
    if margin is None:
        return made
    return replace(made, catalogue=replace(made.catalogue, margin=np.array(margin, np.float32)))


def shown(made: Snapshot, ranked: Ranked, k: int = 10, **objectives: Any) -> list[str]:
    surface = Surface.model_validate({"name": "home", "objectives": objectives, "rules": {"recently_bought": None}})
    return tiny.names(made, SurfacePolicy(surface, made, k).lists(ranked, made.rows_of(["u"])), 0)


def test_popularity_moves_towards_best_sellers_or_away() -> None:
    made = shop()
    mixed = ["i05", "i01", "i08", "i00", "i03"]
    ranked = tiny.ranked(made, [mixed])
    assert shown(made, ranked, 5) == mixed
    assert shown(made, ranked, 5, popularity=10) == sorted(mixed)
    assert shown(made, ranked, 5, popularity=-10) == sorted(mixed, reverse=True)


@pytest.mark.parametrize("weight", [0.3, 1.0, -0.7])
def test_the_scale_of_a_shoppers_scores_does_not_matter(weight: float) -> None:
    made = shop()
    ranked = tiny.ranked(made, [["i05", "i01", "i08", "i00", "i03", "i07"]])
    moved = replace(ranked, score=ranked.score * np.float32(1000) - np.float32(77))
    assert shown(made, ranked, popularity=weight) == shown(made, moved, popularity=weight)


def test_an_item_one_deviation_above_the_mean_moves_by_one_spread() -> None:
    made = shop([1.0, 3.0, *[NAN] * 8])  # standardised: -1, +1, 0 where unknown
    ranked = tiny.ranked(made, [["i00", "i01", "i02"]])
    surface = Surface.model_validate({"name": "home", "objectives": {"margin": 0.5}})
    entries = SurfacePolicy(surface, made, 3).lists(ranked, made.rows_of(["u"]))
    spread = np.std([3.0, 2.0, 1.0])
    assert dict(zip(tiny.names(made, entries, 0), entries.score, strict=True)) == pytest.approx(
        {"i00": 3 - 0.5 * spread, "i01": 2 + 0.5 * spread, "i02": 1.0}
    )


def test_an_unknown_margin_is_neutral_and_no_margins_change_nothing() -> None:
    ranked = ["i03", "i00", "i01", "i02"]
    none, alike = shop(), shop([0.4] * 10)
    for made in (none, alike):
        assert shown(made, tiny.ranked(made, [ranked]), 4, margin=5) == ranked
    some = shop([-1.0, NAN, 1.0, *[NAN] * 7])
    assert shown(some, tiny.ranked(some, [ranked]), 4, margin=5) == ["i02", "i03", "i01", "i00"]


def test_one_odd_value_does_not_count_without_bound() -> None:
    values = np.array([*[0.0] * 99, 1e6])
    assert preferences.standardised(values, np.ones(100, np.bool_)).max() == preferences.LIMIT
    assert not preferences.standardised(values, np.zeros(100, np.bool_)).any()


def test_equal_scores_are_ordered_by_what_is_wanted() -> None:
    made = shop()
    ranked = tiny.ranked(made, [["i05", "i01", "i00"]])
    flat = replace(ranked, score=np.zeros(3, np.float32))
    assert shown(made, flat, 3, popularity=1) == ["i00", "i01", "i05"]


SCORED = st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 400)), min_size=2, max_size=20)


@settings(deadline=None)
@given(SCORED, st.sampled_from([0.05, 0.3, 2.0]))
def test_variety_is_the_greedy_choice(scored: list[tuple[int, int]], weight: float) -> None:
    names = [f"i{n:02}" for n in range(len(scored))]
    category = [None if code < 0 else f"c{code}" for code, _ in scored]
    made = tiny.snapshot([("u", "i00", "view", 1.0)], names, category=category)
    score = np.array([value for _, value in scored], np.float32)
    order = np.argsort(-score, kind="stable")
    ranked = tiny.ranked(made, [[names[at] for at in order]])
    ranked = replace(ranked, score=score[order])
    found = shown(made, ranked, len(names), variety=weight)
    spread = preferences.spreads(np.zeros(len(score), np.int32), score, 1)[0]
    left, chosen = [names[at] for at in order], []
    of_item = dict(zip(names, category, strict=True))
    value = dict(zip(names, score, strict=True))
    while left:
        taken = [of_item[name] for name in chosen]

        def worth(name: str, taken: list[str | None] = taken) -> float:
            before = taken.count(of_item[name]) if of_item[name] else 0
            return float(np.float32(value[name] - weight * spread * np.log2(1 + before)))

        chosen.append(max(left, key=worth))
        left.remove(chosen[-1])
    assert found == chosen


def test_new_shoppers_have_a_weight_and_a_share_of_their_own() -> None:
    made = shop()
    mixed = ["i08", "i07", "i00", "i06", "i01"]
    ranked = tiny.ranked(made, [mixed, mixed])
    rows = np.concatenate([made.rows_of(["u"]), [-1]]).astype(np.int32)

    def both(**objectives: Any) -> list[list[str]]:
        surface = Surface.model_validate({"name": "home", "objectives": objectives})
        entries = SurfacePolicy(surface, made, 4).lists(ranked, rows)
        return [tiny.names(made, entries, user) for user in (0, 1)]

    # u has one event, the unknown shopper has none.
    assert both(new_shoppers={"below_events": 1, "popularity": 10}) == [mixed[:4], ["i00", "i01", "i06", "i07"]]
    assert both(popularity=10, new_shoppers={"below_events": 1, "popularity": 0})[1] == mixed[:4]
    assert both(new_shoppers={"below_events": 2, "best_seller_share": 0.5}) == [["i08", "i00", "i07", "i01"]] * 2
    assert both(new_shoppers={"below_events": 1, "best_seller_share": 0.5})[0] == mixed[:4]


def test_the_long_tail_has_its_share_and_seasons_move_what_they_name() -> None:
    made = shop()
    mixed = ["i00", "i01", "i02", "i08", "i07", "i06"]
    ranked = tiny.ranked(made, [mixed])
    assert shown(made, ranked, 4, long_tail={"share": 0.5}) == ["i00", "i08", "i01", "i07"]
    # The day of the snapshot is 22 November.
    season = {"name": "s", "what": {"items": ["i07"]}, "boost": 10}
    assert shown(made, ranked, 2, seasons=[season | {"from": "11-22", "to": "01-06"}]) == ["i07", "i00"]
    assert shown(made, ranked, 2, seasons=[season | {"months": [10, 12]}]) == ["i00", "i01"]
