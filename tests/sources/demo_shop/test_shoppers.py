"""Shoppers: life cycles, tastes, habits and drift."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np

from sources.demo_shop.catalogue import catalogue
from sources.demo_shop.shop import DRIFTING_SHARE, Shop
from sources.demo_shop.shoppers import habits, looking_for, people, taste

SHOP = Shop(shoppers=1000, items=200)
FIRST = date(2026, 9, 1)


def test_shoppers_come_and_go_at_a_steady_pace() -> None:
    now, later = people(SHOP, FIRST), people(SHOP, FIRST + timedelta(days=30))
    changed = (now.generation != later.generation).mean()
    assert 0.05 < changed < 0.25
    assert len(set(now.user_id())) == 1000
    assert abs(later.rate.mean() / now.rate.mean() - 1) < 0.1
    assert now.rate.max() / np.median(now.rate) > 4


def test_tastes_are_concentrated_and_differ() -> None:
    liked = taste(SHOP, people(SHOP, FIRST)).leaf
    assert np.allclose(liked.sum(axis=1), 1)
    assert np.median(np.sort(liked, axis=1)[:, -3:].sum(axis=1)) > 0.5
    assert np.abs(np.corrcoef(liked[:200])[np.triu_indices(200, 1)]).mean() < 0.4


def test_countries_tilt_tastes() -> None:
    who = people(SHOP, FIRST)
    liked = taste(SHOP, who).leaf
    british, german = (liked[who.country == code].mean(axis=0) for code in (0, 1))
    assert np.abs(british - german).sum() > 0.25


def test_considered_articles_last_days_and_centre_on_one_category() -> None:
    who = people(SHOP, FIRST)
    liked, goods = taste(SHOP, who), catalogue(SHOP, FIRST)
    focus, today = looking_for(SHOP, goods, who, liked, FIRST)
    assert (goods.leaf[today[:, :4]] == focus[:, None]).all()
    tomorrow = looking_for(SHOP, goods, who, liked, FIRST + timedelta(days=1))[1]
    later = looking_for(SHOP, goods, who, liked, FIRST + timedelta(days=20))[1]
    assert (today == tomorrow).mean() > 0.85
    assert (today == later).mean() < 0.5


def test_habits_fall_due_in_their_period() -> None:
    who = people(SHOP, FIRST)
    kept = habits(SHOP, catalogue(SHOP, FIRST), who, FIRST)
    assert catalogue(SHOP, FIRST).consumable[kept.item].all()
    due: dict[tuple[int, int], list[int]] = {}
    for offset in range(120):
        day = FIRST + timedelta(days=offset)
        today = habits(SHOP, catalogue(SHOP, day), who, day, due_only=True)
        for row, item in zip(today.row.tolist(), today.item.tolist(), strict=True):
            due.setdefault((row, item), []).append(offset)
    single: dict[tuple[int, int], list[float]] = {}
    for row, item, days in zip(kept.row.tolist(), kept.item.tolist(), kept.days.tolist(), strict=True):
        single.setdefault((row, item), []).append(days)
    checked = 0
    for key, periods in single.items():
        if len(periods) > 1 or len(due.get(key, [])) < 3:
            continue
        gaps = np.diff(due[key])
        assert (np.abs(gaps - periods[0]) <= 0.3 * periods[0] + 1).all(), (key, periods, due[key])
        checked += 1
    assert checked > 500


def test_a_drift_redraws_most_tastes_from_its_day_on() -> None:
    drifting = replace(SHOP, drift_on=FIRST)
    eve = people(drifting, FIRST - timedelta(days=1))
    before, still = taste(drifting, eve).leaf, taste(SHOP, people(SHOP, FIRST - timedelta(days=1))).leaf
    assert (before == still).all()
    after = taste(drifting, people(drifting, FIRST)).leaf
    same = (after == taste(SHOP, people(SHOP, FIRST)).leaf).all(axis=1)
    assert abs((1 - same.mean()) - DRIFTING_SHARE) < 0.04
