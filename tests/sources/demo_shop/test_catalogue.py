"""The catalogue: words a person can read, and structure a model can find."""

from datetime import date, timedelta

import numpy as np
import pytest

from sources.demo_shop.catalogue import catalogue, partners, rows
from sources.demo_shop.shop import Shop
from sources.demo_shop.vocabulary import BRANDS, COLLECTIONS, LEAVES

SHOP = Shop(shoppers=50, items=400)
FIRST = date(2026, 9, 1)
DAYS = [FIRST + timedelta(days=i) for i in range(0, 90, 3)]


@pytest.mark.parametrize("items", [40, 80, 400, 3000])
def test_titles_name_one_article_each(items: int) -> None:
    listed = rows(Shop(shoppers=50, items=items), FIRST)
    titles = [row[1] for row in listed]
    assert len(set(titles)) == len(listed) == len({row[0] for row in listed})
    assert items <= len(listed) < 1.2 * items
    assert all(title.split(" ")[0] in COLLECTIONS and ", " in title and len(title) < 80 for title in titles)


def test_an_article_keeps_its_words_and_a_new_one_gets_others() -> None:
    words: dict[str, str] = {}
    for day in DAYS:
        for item, title, *_ in rows(SHOP, day):
            assert words.setdefault(item, title) == title
    assert len(set(words.values())) == len(words) > 400


def test_categories_have_two_levels_brands_are_known_prices_and_margins_make_sense() -> None:
    for _, _, description, category, brand, price, margin, stock in rows(SHOP, FIRST):
        assert len(category.split(" > ")) == 2
        assert brand in BRANDS
        assert brand in description
        assert price > 0
        assert 0 < margin < 1
        assert stock >= 0


def test_complements_are_mutual_and_of_paired_categories() -> None:
    partner = partners(SHOP)
    paired = np.flatnonzero(partner >= 0)
    assert len(paired) > 100
    assert (partner[partner[paired]] == paired).all()
    leaf = catalogue(SHOP, FIRST).leaf
    assert all(LEAVES[leaf[a]].pair == LEAVES[leaf[partner[a]]].name for a in paired)


def test_every_pair_of_the_vocabulary_is_mutual() -> None:
    pairs = {leaf.name: leaf.pair for leaf in LEAVES if leaf.pair}
    assert all(pairs[other] == name for name, other in pairs.items())


def test_stock_runs_out_for_days_at_a_time_and_comes_back() -> None:
    out = np.array([~catalogue(SHOP, FIRST + timedelta(days=i)).in_stock for i in range(40)])
    assert 0.01 < out.mean() < 0.06
    assert not out.all(axis=0).any()
    assert (out[:-1] & out[1:]).sum() > 0.4 * out.sum()


def test_new_arrivals_replace_what_is_discontinued_and_start_with_attention() -> None:
    before, after = (catalogue(SHOP, day) for day in (FIRST, FIRST + timedelta(days=30)))
    arrived = before.generation != after.generation
    assert 0.01 < arrived.mean() < 0.15
    assert (after.novelty[arrived] > 0.04).all()
    assert not (arrived & after.consumable).any()
    assert len(before) == len(after) == 400


def test_discontinued_articles_stay_listed_without_stock_for_a_while() -> None:
    day = FIRST + timedelta(days=60)
    current = set(catalogue(SHOP, day).item_id)
    gone = [row for row in rows(SHOP, day) if row[0] not in current]
    assert {row[0] for row in gone} == set(catalogue(SHOP, day - timedelta(days=30)).item_id) - current
    assert gone
    assert all(row[-1] == 0 for row in gone)


def test_prices_move_with_promotions_only() -> None:
    same = catalogue(SHOP, DAYS[0]).generation == catalogue(SHOP, DAYS[1]).generation
    ratio = (catalogue(SHOP, DAYS[1]).price / catalogue(SHOP, DAYS[0]).price)[same]
    assert set(np.round(ratio, 1)) <= {0.8, 1.0, 1.2, 1.3}
    assert (np.abs(ratio - 1) < 1e-9).mean() > 0.8
