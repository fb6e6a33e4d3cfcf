"""When it is time to buy again: the shopper's own rhythm, the item's, and who has stopped."""

import pytest

from models.policy.due import due
from tests.models.policy import tiny

ITEMS = ["coffee", "lamp", "tea"]


def bought(user: str, item: str, *ages: float) -> list[tiny.Event]:
    return [(user, item, "purchase", age) for age in ages]


def shown(events: list[tiny.Event], times: int = 2) -> set[tuple[str, str]]:
    made = tiny.snapshot(events, ITEMS)
    pairs = due(made.events, len(ITEMS), times, 0.75, 2.0)
    return {(str(made.users[key // len(ITEMS)]), str(made.items[key % len(ITEMS)])) for key in pairs.keys}


EVERY_TEN_DAYS = [*bought("a", "coffee", 8, 18, 28, 38), *bought("b", "coffee", 9, 19, 29)]


@pytest.mark.parametrize(
    ("ages", "expected"),
    [
        ((3, 13, 23), False),  # has enough of it
        ((8, 18, 28), True),
        ((15, 25, 35), True),
        ((25, 35, 45), False),  # stopped
        ((9,), False),  # bought once: no rhythm
        ((9.2, 9.4), False),  # twice on one day is once
    ],
)
def test_an_item_is_due_around_the_usual_gap(ages: tuple[float, ...], expected: bool) -> None:
    assert (("c", "coffee") in shown([*EVERY_TEN_DAYS, *bought("c", "coffee", *ages)])) == expected


def test_the_shoppers_own_rhythm_counts_more_the_better_it_is_known() -> None:
    weekly = bought("w", "tea", *range(7, 98, 7))
    slow = bought("s", "tea", 7, 67, 127)
    assert ("w", "tea") in shown([*weekly, *slow])
    assert ("s", "tea") not in shown([*weekly, *slow])


def test_what_was_only_looked_at_is_never_due() -> None:
    assert not shown([("a", "lamp", "view", age) for age in (8.0, 18.0, 28.0)])
    assert not shown([])


def test_anonymous_purchases_have_nobody_to_be_due_for() -> None:
    assert not shown([(None, "tea", "purchase", age) for age in (8.0, 18.0, 28.0)])
