"""What is on sale on a day: articles with words, prices, margins, stock, new arrivals and planted complements.

The catalogue has a fixed number of places (`slots`). Most hold the same article for ever; about a quarter of those of
durable goods turn over: the article is discontinued after some months and a new one arrives in its place. The file of
a day still lists what was discontinued lately, as sold out.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sources.demo_shop.chance import Floats, Ints, normal, pick_word, uniform
from sources.demo_shop.shop import Shop
from sources.demo_shop.vocabulary import BRANDS, COLLECTIONS, DEPARTMENTS, LEAVES, PRAISE

TURNING_SHARE = 0.25
"""Share of the places for durable goods whose article changes."""
TURNING_DAYS = (90, 150)
"""Life of such an article in days."""
PROMOTED_SHARE, PROMOTION = 0.08, 0.8
"""Share of articles on promotion in a week, and the factor on their price."""
OUT_OF_STOCK_SHARE = 0.12
"""Share of articles that are sold out for 2 to 6 days in a stretch of 20 days."""
DISCONTINUED_DAYS = 30
"""How long a discontinued article is still listed, without stock."""
NOVELTY, NOVELTY_DAYS = 1.0, 10.0
"""What being new adds to an article's log appeal, and the days in which that fades to a third."""

_BRANDS_A_DEPARTMENT = 6
_COLLECTIONS_A_BRAND = len(COLLECTIONS) // len(BRANDS)


@dataclass(frozen=True)
class Catalogue:
    """The articles of one day; every array has one entry a place [items].

    Attributes:
        leaf: index into `LEAVES`.        brand: index into `BRANDS`.
        level: price against the leaf's usual one, in standard deviations.
        appeal: log of how often it is chosen within its leaf, all else equal; `novelty` adds to it while it is new.
        partner: place of the planted complement, -1 if it has none; complements are mutual.
        price: today's price a piece.     margin: share of the price that stays.
        stock: pieces; 0 = out of stock.  consumable: whether it is bought again and again.
    """

    item_id: NDArray[np.object_]
    generation: Ints
    leaf: Ints
    brand: Ints
    level: Floats
    appeal: Floats
    novelty: Floats
    partner: Ints
    price: Floats
    margin: Floats
    stock: Ints
    consumable: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.leaf)

    @property
    def in_stock(self) -> NDArray[np.bool_]:
        return self.stock > 0

    def of_leaf(self, leaf: int) -> Ints:
        """Places of a leaf category, ascending."""
        return np.flatnonzero(self.leaf == leaf)


def partners(shop: Shop) -> Ints:
    """Place of each place's complement, or -1: the article at the same position of the paired leaf category."""
    slot = np.arange(shop.items)
    index = {leaf.name: position for position, leaf in enumerate(LEAVES[: shop.leaves])}
    paired = np.array([index.get(leaf.pair, -1) for leaf in LEAVES[: shop.leaves]])
    leaf, position = slot % shop.leaves, slot // shop.leaves
    partner = paired[leaf] + shop.leaves * position
    return np.where((paired[leaf] >= 0) & (partner < shop.items), partner, -1)


@lru_cache(maxsize=48)
def catalogue(shop: Shop, day: date) -> Catalogue:
    """The catalogue as known on a day."""
    seed, today = shop.seed, day.toordinal()
    slot = np.arange(shop.items)
    leaf = slot % shop.leaves
    consumable = np.array([item.consumable for item in LEAVES])[leaf]

    turning = ~consumable & (uniform(seed, "turning", slot) < TURNING_SHARE)
    shortest, longest = TURNING_DAYS
    life = shortest + (uniform(seed, "item life", slot) * (longest - shortest + 1)).astype(np.int64)
    lived = today + (uniform(seed, "item phase", slot) * life).astype(np.int64)
    generation = np.where(turning, lived // life, 0)
    age = np.where(turning, lived % life, 10_000)

    brand = np.array([_words(shop, s, g)[0] for s, g in zip(slot.tolist(), generation.tolist(), strict=True)])
    level = 0.7 * normal(seed, "brand tier", brand) + 0.7 * normal(seed, "item level", slot, generation)
    usual = np.array([item.price for item in LEAVES])[leaf] * np.exp(0.35 * level)
    price: Floats = np.where(usual < 10, np.round(usual * 2) / 2, np.round(usual)).clip(1.5) - 0.05
    promoted = uniform(seed, "promotion", slot, (today + slot) // 7) < PROMOTED_SHARE
    return Catalogue(
        item_id=np.array(
            [f"A{s:05d}" + (f"-{g}" if t else "") for s, g, t in zip(slot, generation, turning, strict=True)], object
        ),
        generation=generation,
        leaf=leaf,
        brand=brand,
        level=level,
        appeal=0.8 * normal(seed, "appeal", slot, generation),
        novelty=NOVELTY * np.exp(-age / NOVELTY_DAYS),
        partner=partners(shop),
        price=(np.where(promoted, price * PROMOTION, price)).round(2),
        margin=np.round(0.15 + 0.4 * uniform(seed, "margin", slot, generation), 3),
        stock=_stock(shop, slot, today),
        consumable=consumable,
    )


def _stock(shop: Shop, slot: Ints, today: int) -> Ints:
    """Pieces in stock; a stretch of 20 days holds at most one gap."""
    shifted = today + (uniform(shop.seed, "stock phase", slot) * 20).astype(np.int64)
    stretch, position = shifted // 20, shifted % 20
    gap = uniform(shop.seed, "gap", slot, stretch) < OUT_OF_STOCK_SHARE
    start = (uniform(shop.seed, "gap start", slot, stretch) * 14).astype(np.int64)
    length = 2 + (uniform(shop.seed, "gap length", slot, stretch) * 5).astype(np.int64)
    out = gap & (position >= start) & (position < start + length)
    return np.where(out, 0, 3 + (uniform(shop.seed, "pieces", slot, today) * 90).astype(np.int64))


@lru_cache(maxsize=200_000)
def _words(shop: Shop, slot: int, generation: int) -> tuple[int, str, str]:
    """Brand, title and description of an article; titles are unique within some five generations of the catalogue.

    The words of a leaf category are numbered through; an affine permutation spreads the articles over them.
    """
    leaf = LEAVES[slot % shop.leaves]
    per_leaf = shop.items // shop.leaves + 1
    radix = (_BRANDS_A_DEPARTMENT, _COLLECTIONS_A_BRAND, len(leaf.kinds), len(leaf.nouns), len(leaf.variants))
    size = int(np.prod(radix))
    number = slot // shop.leaves + per_leaf * (generation % 5)
    series, rest = divmod(number, size)
    rest = (rest * 7919 + shop.seed + 613 * (slot % shop.leaves)) % size
    digits = []
    for base in radix:
        rest, digit = divmod(rest, base)
        digits.append(digit)
    brand = (DEPARTMENTS.index(leaf.department) * 5 + 3 * digits[0]) % len(BRANDS)
    collection = COLLECTIONS[brand * _COLLECTIONS_A_BRAND + digits[1]]
    kind, noun, variant = leaf.kinds[digits[2]], leaf.nouns[digits[3]], leaf.variants[digits[4]]
    title = f"{collection} {kind} {noun}, {variant}" + (f", series {series + 1}" if series else "")
    praise = pick_word(PRAISE, slot + generation)
    description = f"{kind[0].upper()}{kind[1:]} {noun} ({variant}) from the {collection} range by {BRANDS[brand]}."
    return brand, title, f"{description} {praise}"


def rows(shop: Shop, day: date) -> list[tuple[str, str, str, str, str, float, float, int]]:
    """The catalogue file of a day: item, title, description, category, brand, price, margin, stock.

    One row a place, then one for each article discontinued in the last `DISCONTINUED_DAYS` days, with stock 0.
    """
    known, before = catalogue(shop, day), catalogue(shop, day - timedelta(days=DISCONTINUED_DAYS))
    listed = [_row(shop, known, slot, int(known.stock[slot])) for slot in range(len(known))]
    gone = np.flatnonzero(known.generation != before.generation)
    return listed + [_row(shop, before, slot, 0) for slot in gone.tolist()]


def _row(shop: Shop, goods: Catalogue, slot: int, stock: int) -> tuple[str, str, str, str, str, float, float, int]:
    brand, title, description = _words(shop, slot, int(goods.generation[slot]))
    path, price, margin = LEAVES[goods.leaf[slot]].path, float(goods.price[slot]), float(goods.margin[slot])
    return str(goods.item_id[slot]), title, description, path, BRANDS[brand], price, margin, stock
