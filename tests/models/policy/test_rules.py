"""Each rule by itself, on arrays with a planted answer."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.policy import diversity, repeats
from models.policy.pairs import Pairs
from models.policy.segments import segment_lists
from tests.models.policy import tiny

PAIR = st.tuples(st.integers(-1, 5), st.integers(0, 6))


@settings(deadline=None)
@given(st.lists(PAIR), st.lists(PAIR))
def test_pairs_are_a_set(members: list[tuple[int, int]], asked: list[tuple[int, int]]) -> None:
    user, item = (np.array([p[n] for p in members], np.int32) for n in (0, 1))
    wanted_user, wanted_item = (np.array([p[n] for p in asked], np.int32) for n in (0, 1))
    found = Pairs.of(user, item, 7).has(wanted_user, wanted_item)
    assert found.tolist() == [pair in members and pair[0] >= 0 for pair in asked]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3))))
def test_the_first_of_each_pair_stays(pairs: list[tuple[int, int]]) -> None:
    user, item = (np.array([p[n] for p in pairs], np.int32) for n in (0, 1))
    mask = repeats.first_of_pair(user, item)
    assert [pair for pair, keep in zip(pairs, mask, strict=True) if keep] == list(dict.fromkeys(pairs))


def test_positions_count_within_user_and_group() -> None:
    user = np.array([0, 0, 0, 1, 1, 1], np.int32)
    group = np.array([2, 5, 2, 2, 2, 5], np.int32)
    assert diversity.position_in_group(user, group).tolist() == [0, 0, 1, 0, 1, 0]


def test_what_exceeds_a_share_is_demoted_but_not_the_unknown() -> None:
    user, category = np.zeros(6, np.int32), np.array([1, 1, 1, -1, -1, -1], np.int32)
    assert diversity.demoted(user, category, 4, 0.5).tolist() == [False, False, True, False, False, False]
    assert not diversity.demoted(user, category, 4, 1.0).any()


def durable_and_consumable() -> list[tiny.Event]:
    """Forty buyers of each: nobody buys the sofa again, everybody the coffee, every 10 days."""
    events: list[tiny.Event] = []
    for n in range(40):
        events.append((f"s{n}", "sofa", "purchase", 60.0 + n))
        events += [(f"c{n}", "coffee", "purchase", age) for age in (45.0, 35.0, 25.0)]
    return [*events, ("u", "sofa", "purchase", 3.0), ("u", "coffee", "purchase", 3.0), ("v", "sofa", "purchase", 30.0)]


def test_what_nobody_buys_again_is_hidden_after_buying_and_what_everybody_does_is_not() -> None:
    shop = tiny.snapshot(durable_and_consumable(), ["coffee", "sofa"])
    rate = repeats.repurchase_rate(shop.events, 2, 14)
    assert rate[0] > 0.8
    assert rate[1] < 0.15
    hidden = repeats.recently_bought(shop.events, 2, 14, 0.3)
    user, other = shop.rows_of(["u"])[0], shop.rows_of(["v"])[0]
    asked = np.array([user, user, other], np.int32), np.array([0, 1, 1], np.int32)
    assert hidden.has(*asked).tolist() == [False, True, False]


def test_a_log_that_is_too_short_to_know_hides_nothing() -> None:
    events = durable_and_consumable()
    known, unknown = (tiny.snapshot(e, ["coffee", "sofa"]) for e in (events, [e for e in events if e[3] < 10]))
    assert len(repeats.recently_bought(known.events, 2, 14, 0.3).keys)
    assert not len(repeats.recently_bought(unknown.events, 2, 14, 0.3).keys)


def test_views_are_no_purchases() -> None:
    shop = tiny.snapshot([("u", "a", "view", 1.0)], ["a"])
    assert not len(repeats.recently_bought(shop.events, 1, 14, 0.5).keys)


def test_the_order_of_events_does_not_matter() -> None:
    events = durable_and_consumable()
    one, other = (tiny.snapshot(e, ["coffee", "sofa"]) for e in (events, events[::-1]))
    rates = [repeats.repurchase_rate(shop.events, 2, 14).tolist() for shop in (one, other)]
    assert rates[0] == rates[1]


def test_segments_know_their_own_taste_and_small_ones_get_no_list() -> None:
    events: list[tiny.Event] = []
    country = {}
    for n in range(30):
        country[f"gb{n}"], country[f"fr{n}"] = "GB", "FR"
        events += [(f"gb{n}", "tea", "purchase", 1.0), (f"fr{n}", "wine", "purchase", 1.0)]
        events += [(f"gb{n}", "milk", "view", 1.0), (f"fr{n}", "milk", "view", 1.0)]
    country["de0"] = "DE"
    events += [("de0", "beer", "purchase", 1.0), (None, "milk", "view", 1.0)]
    shop = tiny.snapshot(events, ["tea", "wine", "milk", "beer", "dust"], country=country)
    lists = segment_lists(shop, ["country", "device"], shop.catalogue.in_stock, 3, min_shoppers=20)
    assert [each.name for each in lists] == ["country=FR", "country=GB", "all"]
    assert shop.items[lists[0].items[0]] == "wine"
    assert shop.items[lists[1].items[0]] == "tea"
    assert all("dust" not in shop.items[each.items] for each in lists)
    assert all((np.diff(each.score) <= 0).all() for each in lists)


def test_segments_leave_out_what_is_not_allowed() -> None:
    shop = tiny.snapshot([("u", "a", "view", 1.0), ("u", "b", "view", 1.0)], ["a", "b"], out_of_stock=["a"])
    (everybody,) = segment_lists(shop, [], shop.catalogue.in_stock, 5, 1)
    assert list(shop.items[everybody.items]) == ["b"]


def test_the_usual_gap_is_the_items_own_where_enough_shoppers_show_one() -> None:
    events = durable_and_consumable()
    events += [("s0", "sofa", "purchase", 1.0)]  # one shopper after 59 days says little about sofas
    shop = tiny.snapshot(events, ["coffee", "dust", "sofa"])
    assert repeats.usual_gap(shop.events, 3).tolist() == [10.0, 10.0, 10.0]
    weekly: list[tiny.Event] = [(f"t{n}", "tea", "purchase", age) for n in range(5) for age in (30.0, 23.0, 16.0)]
    shop = tiny.snapshot([*durable_and_consumable(), *weekly], ["coffee", "sofa", "tea"])
    assert repeats.usual_gap(shop.events, 3).tolist() == [10.0, 10.0, 7.0]
    once = tiny.snapshot([("u", "sofa", "purchase", 1.0)], ["sofa"])
    assert repeats.usual_gap(once.events, 1).tolist() == [0.0]


def test_what_is_not_due_is_hidden_until_a_share_of_its_gap_has_passed() -> None:
    events = [*durable_and_consumable(), ("w", "coffee", "purchase", 6.0), ("w", "coffee", "view", 0.5)]
    shop = tiny.snapshot(events, ["coffee", "sofa"])
    asked = shop.rows_of(["u", "w"]), np.array([0, 0], np.int32)  # bought 3 and 6 days ago, usually after 10
    for share, hidden in ((0.0, [False, False]), (0.5, [True, False]), (0.6, [True, False]), (0.7, [True, True])):
        assert repeats.recently_bought(shop.events, 2, 14, 0.1, share).has(*asked).tolist() == hidden
