"""Cross-selling: complements of the recent basket, not what is compared with it."""

from dataclasses import replace

import numpy as np
from scipy import sparse

from models.policy.complements import BasketFit, complements, recent_baskets
from models.policy.surface_lists import SurfacePolicy
from models.snapshot import Snapshot
from models.surfaces import Surface
from tests.models.policy import tiny

ITEMS = ["bulb", "candle", "lamp", "lamp2", "mug"]
CATEGORIES = ["light", "light", "lamps", "lamps", None]


def relation(**pairs: float) -> sparse.csr_matrix:
    table = np.zeros((5, 5), np.float32)
    for names, strength in pairs.items():
        a, b = (ITEMS.index(name) for name in names.split("_"))
        table[a, b] = table[b, a] = strength
    return sparse.csr_matrix(table)


def shop() -> Snapshot:
    """A lamp is bought with a bulb, looked at together with a mug, and bought with another lamp by chance."""
    events: list[tiny.Event] = [
        ("u", "mug", "purchase", 9.0),
        ("u", "lamp", "purchase", 3.2),
        ("u", "candle", "view", 0.5),
        ("v", "lamp", "view", 1.0),
        ("w", "lamp", "purchase", 50.0),
    ]
    made = tiny.snapshot(events, ITEMS, category=CATEGORIES)
    bought = relation(lamp_bulb=0.5, lamp_mug=0.2, lamp_lamp2=0.4, lamp_candle=0.1)
    together = relation(lamp_bulb=0.6, lamp_mug=0.6, lamp_lamp2=0.4, lamp_candle=0.1)
    return replace(made, co_visitation={"bought": bought, "together": together, "next": relation()})


def test_what_is_mostly_compared_or_of_one_category_is_no_complement() -> None:
    found = complements(shop()).toarray()[ITEMS.index("lamp")]
    assert dict(zip(ITEMS, found.round(3), strict=True)) == {
        "bulb": np.float32(0.4), "candle": np.float32(0.1), "lamp": 0, "lamp2": 0, "mug": 0,
    }  # fmt: skip


def test_the_basket_is_that_of_the_last_day_with_one() -> None:
    made = shop()
    baskets = recent_baskets(made, 30).toarray()
    held = {user: [ITEMS[n] for n in np.flatnonzero(row)] for user, row in zip(made.users, baskets, strict=False)}
    assert held == {"u": ["lamp"], "v": [], "w": []}
    assert recent_baskets(made, 60).toarray()[made.user_index["w"]].sum() == 1
    assert BasketFit(made, 30).has_basket(made.rows_of(["u", "v", "nobody"])).tolist() == [True, False, False]


def test_complements_rise_for_those_with_a_basket_only() -> None:
    made = shop()
    ranked = tiny.ranked(made, [["mug", "lamp2", "candle", "bulb"]] * 3)
    surface = Surface.model_validate({"name": "home", "objectives": {"cross_sell": {"weight": 10}}})
    entries = SurfacePolicy(surface, made, 4).lists(ranked, made.rows_of(["u", "v", "nobody"]))
    assert tiny.names(made, entries, 0)[:2] == ["bulb", "candle"]
    assert tiny.names(made, entries, 1) == tiny.names(made, entries, 2) == ["mug", "lamp2", "candle", "bulb"]
