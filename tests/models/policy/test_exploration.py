"""Slots for new items: where they stand, who tries what, and what they must not break."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from models.interface import SOURCES
from models.policy.surface_lists import SurfacePolicy
from models.snapshot import Snapshot
from models.surfaces import Surface
from tests.models.policy import tiny

OLD, NEW = [f"i{n:02}" for n in range(12)], [f"n{n}" for n in range(4)]
USERS = [f"u{n:02}" for n in range(40)]
SLOTS = {"slots": 1, "from_rank": 3, "days": 14}


def shop(out_of_stock: list[str] | None = None) -> Snapshot:
    events: list[tiny.Event] = [(user, OLD[n % 12], "view", 90.0 - n) for n, user in enumerate(USERS)]
    events.append(("u00", "n0", "view", 1.0))
    ages = [200.0] * 12 + [1.0, 2.0, 3.0, 4.0]
    return tiny.snapshot(events, OLD + NEW, age_days=ages, out_of_stock=out_of_stock or [])


def made_lists(made: Snapshot, k: int = 6, candidates: list[str] | None = None, **more: Any) -> list[list[str]]:
    surface = {"name": "home", "rules": {"recently_bought": None}, "objectives": {"exploration": SLOTS}} | more
    policy = SurfacePolicy(Surface.model_validate(surface), made, k)
    ranked = tiny.ranked(made, [candidates or OLD] * len(USERS))
    entries = policy.lists(ranked, made.rows_of(USERS))
    return [tiny.names(made, entries, user) for user in range(len(USERS))]


def test_different_shoppers_and_days_try_different_items_and_the_rest_keeps_its_order() -> None:
    made = shop()
    lists = made_lists(made)
    for names in lists:
        assert names[2] in NEW
        assert [name for name in names if name in OLD] == OLD[:5]
    assert {names[2] for names in lists} == set(NEW)
    assert made_lists(made) == lists, "the same day gives the same"
    tomorrow = made_lists(replace(made, as_of=made.as_of + timedelta(days=1)))
    assert sum(one[2] != other[2] for one, other in zip(lists, tomorrow, strict=True)) > 10


def test_an_item_tried_is_told_as_new() -> None:
    made = shop()
    surface = Surface.model_validate({"name": "home", "objectives": {"exploration": SLOTS}})
    entries = SurfacePolicy(surface, made, 6).lists(tiny.ranked(made, [OLD]), made.rows_of(["u01"]))
    assert entries.filled.tolist() == [False, False, True, False, False, False]
    assert entries.source[2] == SOURCES.index("new_items")
    assert np.isfinite(entries.score).all()


@pytest.mark.parametrize("slots", [2, 9])
def test_there_are_no_more_slots_than_new_items_that_may_be_shown(slots: int) -> None:
    made = shop(out_of_stock=["n1", "n3"])
    lists = made_lists(made, objectives={"exploration": SLOTS | {"slots": slots}})
    assert all(set(names[2:4]) == {"n0", "n2"} for names in lists)
    assert all(names[4] == OLD[2] for names in lists)
    touched = made_lists(made, objectives={"exploration": SLOTS | {"slots": slots}}, only_new=True)
    assert "n0" not in touched[0]


def test_what_stands_above_the_slots_anyway_needs_none() -> None:
    lists = made_lists(shop(), candidates=["n2", *OLD])
    assert all(names.count("n2") == 1 and names[0] == "n2" for names in lists)
    assert {names[2] for names in lists} == {"n0", "n1", "n3"}


def test_without_new_items_or_room_nothing_changes() -> None:
    assert made_lists(shop(out_of_stock=NEW)) == [OLD[:6]] * len(USERS)
    assert made_lists(shop(), k=2) == [OLD[:2]] * len(USERS)


def test_new_shoppers_may_have_more_slots_or_none() -> None:
    made = shop()
    some = {"exploration": SLOTS, "new_shoppers": {"below_events": 2, "exploration_slots": 0}}
    lists = made_lists(made, objectives=some)
    assert lists[0][2] in NEW, "u00 has two events"
    assert lists[1:] == [OLD[:6]] * (len(USERS) - 1)
