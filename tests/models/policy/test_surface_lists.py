"""All rules together: what reaches a shopper's list."""

import numpy as np
import pytest

from models.interface import SOURCES
from models.policy.surface_lists import SurfacePolicy
from models.surfaces import Surface
from tests.models.policy import tiny

ITEMS = [f"i{n:02}" for n in range(12)]
EVENTS: list[tiny.Event] = [
    ("u", "i00", "view", 1.0),
    ("u", "i01", "purchase", 2.0),
    *[(f"d{n}", "i01", "purchase", 300.0) for n in range(40)],  # nobody buys it twice
    *[(f"x{n}", "i05", "view", 1.0) for n in range(5)],
    *[(f"x{n}", "i06", "view", 1.0) for n in range(4)],
    *[(f"x{n}", "i07", "view", 1.0) for n in range(3)],
]


def surface(**more: object) -> Surface:
    return Surface.model_validate({"name": "home", "rules": more.pop("rules", {})} | more)


def test_what_is_out_of_stock_or_just_bought_or_repeated_is_left_out() -> None:
    shop = tiny.snapshot(EVENTS, ITEMS, out_of_stock=["i02"])
    policy = SurfacePolicy(surface(), shop, 4)
    entries = policy.lists(
        tiny.ranked(shop, [["i01", "i02", "i00", "i03", "i03", "i04", "i08", "i09"]]), shop.rows_of(["u"])
    )
    assert tiny.names(shop, entries, 0) == ["i00", "i03", "i04", "i08"]
    assert entries.rank.tolist() == [1, 2, 3, 4]
    assert not entries.filled.any()


def test_a_surface_of_new_items_shows_nothing_the_shopper_touched() -> None:
    shop = tiny.snapshot(EVENTS, ITEMS)
    policy = SurfacePolicy(surface(only_new=True), shop, 3)
    entries = policy.lists(tiny.ranked(shop, [["i00", "i01", "i02", "i03"]]), shop.rows_of(["u"]))
    assert tiny.names(shop, entries, 0) == ["i02", "i03", "i05"]
    assert entries.filled.tolist() == [False, False, True]


@pytest.mark.parametrize("candidates", [[], ["i03"], ITEMS[:6]])
def test_every_list_has_k_items_when_the_catalogue_allows(candidates: list[str]) -> None:
    shop = tiny.snapshot(EVENTS, ITEMS)
    policy = SurfacePolicy(surface(), shop, 9)
    entries = policy.lists(tiny.ranked(shop, [candidates, ["i04"]]), shop.rows_of(["u", "nobody"]))
    for user in (0, 1):
        found = tiny.names(shop, entries, user)
        assert len(set(found)) == 9
    assert entries.user.tolist() == [0] * 9 + [1] * 9
    assert (np.diff(entries.score[entries.user == 1]) < 0).all()


def test_a_small_catalogue_gives_all_it_has() -> None:
    shop = tiny.snapshot(EVENTS, ITEMS, out_of_stock=["i11"])
    policy = SurfacePolicy(surface(), shop, 50)
    entries = policy.lists(tiny.ranked(shop, [["i03"]]), shop.rows_of(["u"]))
    # twelve, without the one out of stock and the one just bought
    assert sorted(tiny.names(shop, entries, 0)) == sorted(set(ITEMS) - {"i11", "i01"})


def test_filling_takes_the_popular_first_then_the_latest_arrivals() -> None:
    shop = tiny.snapshot(EVENTS, ITEMS, age_days=[100.0] * 10 + [1.0, 50.0])
    policy = SurfacePolicy(surface(rules={"recently_bought": None}), shop, 8)
    entries = policy.lists(tiny.ranked(shop, [[]]), shop.rows_of(["nobody"]))
    assert tiny.names(shop, entries, 0) == ["i05", "i06", "i01", "i07", "i00", "i10", "i11", "i02"]


def test_one_category_does_not_take_the_list_but_nothing_is_lost() -> None:
    shop = tiny.snapshot(EVENTS, ITEMS, category=["a"] * 6 + ["b"] * 6)
    policy = SurfacePolicy(surface(rules={"max_per_category": 0.5, "recently_bought": None}), shop, 4)
    ranked = tiny.ranked(shop, [["i02", "i03", "i04", "i08", "i09"], ["i02", "i03", "i04", "i00"]])
    entries = policy.lists(ranked, shop.rows_of(["u", "x0"]))
    assert tiny.names(shop, entries, 0) == ["i02", "i03", "i08", "i09"]
    assert tiny.names(shop, entries, 1) == ["i02", "i03", "i04", "i00"]


def test_a_source_that_is_off_proposes_nothing() -> None:
    shop = tiny.snapshot(EVENTS, ITEMS)
    policy = SurfacePolicy(surface(sources=["popular"]), shop, 1)
    entries = policy.lists(tiny.ranked(shop, [["i03"]]), shop.rows_of(["u"]))
    assert entries.filled.all()
    ranked = tiny.ranked(shop, [["i03"]])
    ranked.sources_rank[0, SOURCES.index("popular")] = 9  # `popular` proposed it too, lower
    kept = policy.lists(ranked, shop.rows_of(["u"]))
    assert tiny.names(shop, kept, 0) == ["i03"]
    assert kept.source.tolist() == [SOURCES.index("popular")]


def test_too_short_a_list_is_left_to_the_segments() -> None:
    shop = tiny.snapshot(EVENTS, ITEMS[:8])
    policy = SurfacePolicy(surface(rules={"min_items": 10}), shop, 50)
    assert not len(policy.lists(tiny.ranked(shop, [["i03"]]), shop.rows_of(["u"])))


def test_users_do_not_disturb_each_other() -> None:
    shop = tiny.snapshot(EVENTS, ITEMS, category=["a", "b"] * 6)
    policy = SurfacePolicy(surface(rules={"max_per_category": 0.6}), shop, 5)
    lists = [["i00", "i01", "i02"], ["i05", "i06"], ITEMS]
    users = ["u", "x0", "nobody"]
    together = policy.lists(tiny.ranked(shop, lists), shop.rows_of(users))
    for number, (user, wanted) in enumerate(zip(users, lists, strict=True)):
        alone = policy.lists(tiny.ranked(shop, [wanted]), shop.rows_of([user]))
        assert tiny.names(shop, together, number) == tiny.names(shop, alone, 0)
