"""Who shops: life cycles, countries, devices, tastes, what they are looking for, and what they buy again and again.

Like the catalogue, the shop has a fixed number of places; a shopper who leaves is replaced by a new one, so that the
shop is in its steady state on every day. All of it is a function of (shop, place, generation, day).
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from sources.demo_shop.catalogue import Catalogue
from sources.demo_shop.chance import Floats, Ints, choose, normal, uniform
from sources.demo_shop.shop import Shop
from sources.demo_shop.vocabulary import BRANDS, COUNTRIES, COUNTRY_SHARE, DEPARTMENTS, DEVICE_SHARE, DEVICES, LEAVES

LOYAL_SHARE = 0.45
"""Share of the places whose shopper never leaves."""
LIFE_DAYS = (60, 240)
SESSIONS_A_DAY = 0.22
"""Median sessions a shopper and day, habits not counted."""
LOOKING_FOR, LOOKING_DAYS = 6, 14
"""Articles a shopper is considering at a time, and the days after which he looks for something else."""
HABITS = 4
"""Consumables a shopper may buy again and again; each of them is kept by `HABIT_SHARE` of the shoppers."""
HABIT_SHARE = 0.45
HABIT_DAYS = (7, 35)
PRICE_FIT = 0.45
"""How much a standard deviation of price off the wanted level costs (squared), in log odds."""

_LEAF_DEPARTMENT = np.array([DEPARTMENTS.index(leaf.department) for leaf in LEAVES])
_CONSUMABLE = np.array([leaf.consumable for leaf in LEAVES])


@dataclass(frozen=True)
class People:
    """Shoppers of a day, one entry each: place, generation, taste regime, sessions expected today, traits."""

    slot: Ints
    generation: Ints
    regime: Ints
    rate: Floats
    country: Ints
    device: Ints

    def __len__(self) -> int:
        return len(self.slot)

    def take(self, rows: Ints) -> "People":
        """Some of them, repeats allowed."""
        return People(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def user_id(self) -> NDArray[np.object_]:
        """The shop's account numbers."""
        return np.array(
            [account(s, g) for s, g in zip(self.slot.tolist(), self.generation.tolist(), strict=True)], object
        )


def account(slot: int, generation: int) -> str:
    """The shop's account number of a shopper; those who never leave have generation 0."""
    return f"C{slot:05d}-{generation}" if generation else f"C{slot:05d}"


def people(shop: Shop, day: date) -> People:
    """Everybody who has an account on a day."""
    seed, today = shop.seed, day.toordinal()
    slot = np.arange(shop.shoppers)
    loyal = uniform(seed, "loyal", slot) < LOYAL_SHARE
    shortest, longest = LIFE_DAYS
    life = shortest + (uniform(seed, "shopper life", slot) * (longest - shortest + 1)).astype(np.int64)
    lived = today + (uniform(seed, "shopper phase", slot) * life).astype(np.int64)
    generation = np.where(loyal, 0, lived // life)
    share_lived = np.where(loyal, 0.5, (lived % life) / life)
    # keen in the first tenth of a life with the shop, fading in the last quarter
    keenness = np.select([share_lived < 0.1, share_lived > 0.75], [1.6, 0.4], 1.0)
    rate = SESSIONS_A_DAY * np.exp(0.7 * normal(seed, "rate", slot, generation)).clip(0.2, 5) * keenness
    return People(
        slot=slot,
        generation=generation,
        regime=shop.regime(day, slot),
        rate=rate,
        country=_draw(COUNTRY_SHARE, uniform(seed, "country", slot, generation)),
        device=_draw(DEVICE_SHARE, uniform(seed, "device", slot, generation)),
    )


def _draw(share: tuple[float, ...], draw: Floats) -> Ints:
    return np.minimum(np.searchsorted(np.cumsum(share), draw), len(share) - 1)


@dataclass(frozen=True)
class Taste:
    """What shoppers like: `leaf` [shoppers, leaves] sums to 1, `brand` [shoppers, brands] in log odds, `level`
    [shoppers] the price level wanted."""

    leaf: Floats
    brand: Floats
    level: Floats

    def take(self, rows: Ints) -> "Taste":
        return Taste(self.leaf[rows], self.brand[rows], self.level[rows])


def taste(shop: Shop, who: People) -> Taste:
    """The tastes of some shoppers; redrawn by a drift, tilted by country."""
    seed = shop.seed
    leaves, departments, brands = np.arange(shop.leaves), np.arange(len(DEPARTMENTS)), np.arange(len(BRANDS))
    key = (who.slot[:, None], who.generation[:, None], who.regime[:, None])
    department = 1.3 * normal(seed, "department taste", *key, departments)
    department += 0.8 * normal(seed, "country taste", who.country[:, None], departments)
    odds = 0.5 * normal(seed, "leaf demand", leaves) + department[:, _LEAF_DEPARTMENT[: shop.leaves]]
    odds += 1.2 * normal(seed, "leaf taste", *key, leaves)
    leaf = np.exp(odds - odds.max(axis=1, keepdims=True))
    return Taste(
        leaf=leaf / leaf.sum(axis=1, keepdims=True),
        brand=1.1 * normal(seed, "brand taste", *key, brands),
        level=0.9 * normal(seed, "price taste", who.slot, who.generation, who.regime),
    )


def item_weights(goods: Catalogue, liked: Taste, items: Ints) -> Floats:
    """How the shoppers weigh some articles of one leaf category against each other [shoppers, items]."""
    misfit = goods.level[items][None, :] - liked.level[:, None]
    result: Floats = np.exp(goods.appeal[items][None, :] + liked.brand[:, goods.brand[items]] - PRICE_FIT * misfit**2)
    return result


def pick_items(goods: Catalogue, liked: Taste, leaf: Ints, draw: Floats) -> Ints:
    """Place of an article drawn from the given leaf category of each row, by taste; `draw` is uniform [rows]."""
    picked = np.zeros(len(leaf), dtype=np.int64)
    for wanted in np.unique(leaf):
        rows, items = np.flatnonzero(leaf == wanted), goods.of_leaf(int(wanted))
        picked[rows] = items[choose(item_weights(goods, liked.take(rows), items), draw[rows])]
    return picked


def looking_for(shop: Shop, goods: Catalogue, who: People, liked: Taste, day: date) -> tuple[Ints, Ints]:
    """What shoppers are considering these days: the leaf [shoppers] and articles [shoppers, LOOKING_FOR].

    Four of the articles are substitutes of one leaf category, the others come from the whole taste.
    """
    seed = shop.seed
    phase = (uniform(seed, "looking phase", who.slot) * LOOKING_DAYS).astype(np.int64)
    stretch = (day.toordinal() + phase) // LOOKING_DAYS
    key = (who.slot, who.generation, who.regime, stretch)
    focus = choose(liked.leaf, uniform(seed, "focus", *key))
    columns = []
    for position in range(LOOKING_FOR):
        leaf = focus if position < 4 else choose(liked.leaf, uniform(seed, "aside", *key, position))
        columns.append(pick_items(goods, liked, leaf, uniform(seed, "considered", *key, position)))
    return focus, np.stack(columns, axis=1)


@dataclass(frozen=True)
class Habits:
    """Who buys what again and again, one entry a habit: row in the `People` asked about, place of the article, days."""

    row: Ints
    item: Ints
    days: Floats


def habits(shop: Shop, goods: Catalogue, who: People, day: date, due_only: bool = False) -> Habits:
    """The repurchase habits of some shoppers, or only those due on the day.

    A cycle's due day is its regular day plus up to 15 % of the period, either way.
    """
    seed, today = shop.seed, day.toordinal()
    number = np.arange(HABITS)
    key = (who.slot[:, None], who.generation[:, None], number)
    shortest, longest = HABIT_DAYS
    period = shortest + (longest - shortest) * uniform(seed, "habit period", *key)
    phase = uniform(seed, "habit phase", *key) * period
    wanted = np.broadcast_to(uniform(seed, "habit", *key) < HABIT_SHARE, period.shape)
    if due_only:
        due = np.zeros(period.shape, dtype=bool)
        nearest = np.floor((today - phase) / period).astype(np.int64)
        for cycle in (nearest, nearest + 1):
            jitter = 0.3 * period * (uniform(seed, "habit jitter", *key, cycle) - 0.5)
            due |= np.floor(phase + cycle * period + jitter) == today
        wanted = wanted & due
    row, habit = np.nonzero(wanted)
    someone = who.take(row)
    liked = taste(shop, someone)
    draw = uniform(seed, "habit leaf", someone.slot, someone.generation, someone.regime, habit)
    leaf = choose(liked.leaf * _CONSUMABLE[: shop.leaves], draw)
    draw = uniform(seed, "habit item", someone.slot, someone.generation, someone.regime, habit)
    return Habits(row, pick_items(goods, liked, leaf, draw), period[row, habit])


def country_codes(index: Ints) -> list[str]:
    return [COUNTRIES[i] for i in index.tolist()]


def device_names(index: Ints) -> list[str]:
    return [DEVICES[i] for i in index.tolist()]
