"""A day in the shop: is what was planted in the raw events?"""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from sources.demo_shop.catalogue import catalogue, partners
from sources.demo_shop.oracle import preference
from sources.demo_shop.sessions import CART, PURCHASE, VIEW, Events, happenings
from sources.demo_shop.shop import Shop
from sources.demo_shop.shoppers import account, people
from sources.demo_shop.traffic import bots

SHOP = Shop(shoppers=500, items=200)
FIRST = date(2026, 8, 3)  # a Monday
DAYS = [FIRST + timedelta(days=i) for i in range(35)]


@pytest.fixture(scope="module")
def month() -> list[Events]:
    return [happenings(SHOP, day) for day in DAYS]


def test_a_day_is_the_same_alone_and_another_day_is_not(month: list[Events]) -> None:
    alone = happenings(SHOP, DAYS[20])
    for name in Events.__dataclass_fields__:
        assert (getattr(alone, name) == getattr(month[20], name)).all()
    for other in (month[19], happenings(replace(SHOP, seed=8), DAYS[20])):
        assert alone.item.tolist() != other.item.tolist()


@pytest.mark.parametrize(("shoppers", "items"), [(10, 40), (120, 80)])
def test_a_tiny_shop_holds_together(shoppers: int, items: int) -> None:
    days = [happenings(Shop(shoppers=shoppers, items=items), day) for day in DAYS[:7]]
    assert sum((day.type == PURCHASE).sum() for day in days) > 0
    assert all((np.diff(day.second) >= 0).all() and day.second.max() < 86_400 for day in days)


def test_events_are_ordered_in_time_and_stay_within_their_day(month: list[Events]) -> None:
    for day in month:
        assert (np.diff(day.second) >= 0).all()
        assert day.second.min() >= 0
        assert day.second.max() < 86_400


def test_funnel_runs_from_view_to_cart_to_purchase(month: list[Events]) -> None:
    for day in month[:7]:
        seen: dict[tuple[int, int], set[int]] = {}
        for session, item, kind in zip(day.session.tolist(), day.item.tolist(), day.type.tolist(), strict=True):
            done = seen.setdefault((session, item), set())
            assert kind == VIEW or kind - 1 in done, "a step of the funnel was left out"
            done.add(kind)
    kinds = np.bincount(np.concatenate([day.type[~day.bot] for day in month]))
    assert kinds[VIEW] > 2.5 * kinds[CART] > 2.5 * kinds[PURCHASE] > 0


def test_sessions_have_one_visitor_device_and_country(month: list[Events]) -> None:
    for day in month[:7]:
        rows = zip(day.session.tolist(), day.user_id.tolist(), day.device.tolist(), day.country.tolist(), strict=True)
        assert len(set(rows)) == len(set(day.session.tolist()))


def test_what_is_out_of_stock_is_not_bought(month: list[Events]) -> None:
    for date_, day in zip(DAYS, month, strict=True):
        in_stock = catalogue(SHOP, date_).in_stock
        assert in_stock[day.item[day.type != VIEW]].all()


def test_sundays_are_busier_than_fridays(month: list[Events]) -> None:
    people_only = [int((~day.bot).sum()) for day in month]
    friday, sunday = np.mean(people_only[4::7]), np.mean(people_only[6::7])
    assert 1.25 < sunday / friday < 1.8


def test_anonymous_share_and_bots(month: list[Events]) -> None:
    anonymous = np.mean([user is None for day in month for user in day.user_id[~day.bot]])
    assert 0.1 < anonymous < 0.3
    machine = {account(number, 0) for number in bots(SHOP).tolist()}
    for day in month:
        assert set(day.user_id[day.bot].tolist()) <= machine
        if day.bot.any():
            seconds = day.second[day.bot]
            assert day.bot.sum() >= 150
            assert seconds.max() - seconds.min() < 1_200
    assert any(day.bot.any() for day in month)


def test_complements_are_bought_together_far_above_chance(month: list[Events]) -> None:
    partner = partners(SHOP)
    together = single = baskets = 0
    bought = Counter[int]()
    for day in month:
        rows = day.type == PURCHASE
        content: dict[int, set[int]] = {}
        for session, item in zip(day.session[rows].tolist(), day.item[rows].tolist(), strict=True):
            content.setdefault(session, set()).add(item)
        baskets += len(content)
        for basket in content.values():
            bought.update(basket)
            single += sum(partner[item] >= 0 for item in basket)
            together += sum(partner[item] in basket for item in basket if partner[item] >= 0)
    expected = sum(bought[item] * bought[int(partner[item])] / baskets for item in bought if partner[item] >= 0)
    assert together / single > 0.4
    assert together / expected > 20


def test_consumables_are_bought_again_and_durables_hardly(month: list[Events]) -> None:
    consumable = catalogue(SHOP, FIRST).consumable
    buys = Counter[tuple[str, int]]()
    for day in month:
        rows = (day.type == PURCHASE) & (day.user_id != None)  # noqa: E711 - elementwise
        buys.update(set(zip(day.user_id[rows].tolist(), day.item[rows].tolist(), strict=True)))
    again = [np.mean([count > 1 for (_, item), count in buys.items() if consumable[item] == kind]) for kind in (1, 0)]
    assert again[0] > 0.35
    assert again[0] > 2.5 * again[1]


def _recall(score: np.ndarray, who: list[str], day: Events, k: int = 20) -> float:
    """Mean share of a shopper's touched items among his k best-scored; `score` is [shoppers, items] or [items]."""
    row = {user: number for number, user in enumerate(who)}
    touched: dict[int, set[int]] = {}
    for user, item in zip(day.user_id.tolist(), day.item.tolist(), strict=True):
        if user in row:
            touched.setdefault(row[user], set()).add(item)
    score = np.broadcast_to(score, (len(who), score.shape[-1]))
    best = np.argsort(-score, axis=1, kind="stable")[:, :k]
    return float(np.mean([len(items & set(best[number].tolist())) / len(items) for number, items in touched.items()]))


def test_who_knows_the_truth_beats_popularity_clearly(month: list[Events]) -> None:
    last = 34
    who = people(SHOP, DAYS[last])
    popular = np.bincount(np.concatenate([day.item[~day.bot] for day in month[last - 7 : last]]), minlength=200)
    oracle = _recall(preference(SHOP, DAYS[last], who), who.user_id().tolist(), month[last])
    assert oracle > 0.6
    assert oracle > 2 * _recall(popular.astype(float), who.user_id().tolist(), month[last])


def test_a_drift_makes_what_was_true_worthless_and_leaves_earlier_days_alone(month: list[Events]) -> None:
    drifting = replace(SHOP, drift_on=DAYS[30])
    assert (happenings(drifting, DAYS[29]).item == month[29].item).all()
    who = people(drifting, DAYS[30])
    day, names = happenings(drifting, DAYS[30]), who.user_id().tolist()
    outdated = _recall(preference(SHOP, DAYS[30], people(SHOP, DAYS[30])), names, day)
    assert _recall(preference(drifting, DAYS[30], who), names, day) > 2 * outdated
