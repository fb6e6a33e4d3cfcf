"""What the ranker sees of a pair of user and item: the same function for training, scoring and judging."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.candidates.history import HALF_LIVES
from models.candidates.own_items import OwnItemsScorer
from models.candidates.signals import Sparse
from models.candidates.union import Block, Candidates, Union
from models.interface import SOURCES, Floats, Ints
from models.ranking import kernels, normalisation

SIGNALS = (
    "own_items",
    "co_visitation",
    "co_together",
    "co_bought",
    "co_next",
    "co_latest",
    "two_tower",
    "linear",
    "next_visit",
    "ials",
    "popular",
    "popular_days",
    "popular_months",
    "new_items",
    "alike",
)
ITEM_COUNTS = ("views_7d", "views_30d", "carts_7d", "purchases_7d", "purchases_30d", "purchases_90d", "ratings_30d")
USER_COUNTS = ("active_days", "distinct_items", "sessions", "purchases_30d", "views_7d", "spend")

NAMES: tuple[str, ...] = (
    *(f"{name}{kind}" for name in SIGNALS for kind in ("", "_relative")),
    *(f"{name}_rank" for name in SOURCES),
    "sources",
    *("touched", "last_age", "first_age", "visits", "events", "weight", "visits_ago", "visit_share"),
    *(f"decayed_{half:g}" for half in HALF_LIVES),
    *("due", "due_by_own_gap"),
    *("quantity", "price_change"),
    *(f"item_{name}" for name in ITEM_COUNTS),
    *("item_buyers", "item_visitors", "item_trend", "item_conversion", "item_idle", "item_age", "item_price"),
    *("item_price_band", "item_return_rate"),
    *(f"user_{name}" for name in USER_COUNTS),
    *("user_idle", "user_age", "user_session_depth", "user_return_rate", "user_due"),
    *("price_fit", "price_distance", "category_affinity", "brand_affinity"),
    "only_new",
)
"""The dense features by name, in order: the feature schema of a bundle."""

CROSSES = ("sources_by_visits", "item_by_touched", "item_by_country", "recency_by_visits")
"""The wide part's crosses."""


SIGNAL = slice(0, 2 * len(SIGNALS))
RANKS = slice(SIGNAL.stop, SIGNAL.stop + len(SOURCES))
AGREEING = slice(RANKS.stop, RANKS.stop + 1)
OWN = slice(AGREEING.stop, NAMES.index("price_change") + 1)
ITEM = slice(OWN.stop, NAMES.index("item_return_rate") + 1)
USER = slice(ITEM.stop, NAMES.index("user_due") + 1)
FIT = slice(USER.stop, NAMES.index("brand_affinity") + 1)
ONLY_NEW = slice(FIT.stop, FIT.stop + 1)
"""Where the kinds of features stand in `NAMES`."""
_RANKS, _AGREEING, _FIT = RANKS.start, AGREEING.start, FIT.start
_OWN, _OWN_END, _ITEM, _ITEM_END, _USER, _USER_END = OWN.start, OWN.stop, ITEM.start, ITEM.stop, USER.start, USER.stop

NEVER_DAYS, NEVER_VISITS = 400.0, 50.0
"""Age, and visits since, of what the shopper never touched."""
AGES = (2, 7, 14, 30, 60, 120, 240)
"""Bounds of the crosses' recency, days."""


@dataclass(frozen=True)
class Pairs:
    """Features of pairs: `dense` float32 `[pairs, len(NAMES)]`, `wide` int32 `[pairs, len(CROSSES)]`, hashes without
    bound, and `item` int32 `[pairs]`, the hash of the item's id."""

    dense: Floats
    wide: Ints
    item: Ints


class PairFeatures:
    """Computes features for pairs of a union's snapshot.

    Most features are those of a user, an item or a pair of the history: they stand ready in tables, and for a pair they
    are only copied.

    Args:
        scale: a ranker's arrays: `dense` then holds normal scores (see `normalisation`) instead of the values.
    """

    def __init__(self, union: Union, scale: Mapping[str, NDArray[Any]] | None = None) -> None:
        snapshot, history = union.snapshot, union.history
        self.union, self._scale = union, scale
        nothing = {name: np.zeros((len(NAMES), normalisation.KNOTS), np.float32) for name in ("at", "score")}
        self._knots = normalisation.knots(nothing if scale is None else scale)
        own = union.scorers.get("own_items")
        gap = own.gap_days if isinstance(own, OwnItemsScorer) else np.full(history.items, 30.0, np.float32)
        item, user = _item_columns(union), _user_columns(union)
        self._own = self._scaled(OWN, _own_columns(union, gap))
        self._item = self._scaled(ITEM, np.stack([item[name] for name in NAMES[ITEM]], axis=1))
        users = np.stack([user[name] for name in NAMES[USER]], axis=1)
        self._users = np.concatenate([users, np.zeros((1, users.shape[1]))]).astype(np.float32)
        self._user = self._scaled(USER, self._users)
        depth = union.config.per_source
        self._closeness = np.tile(
            _closeness(np.arange(depth + 1, dtype=np.int32), depth)[:, None], len(SOURCES)
        ).astype(np.float32)
        self._closeness = self._scaled(RANKS, self._closeness)
        counts = np.arange(len(SOURCES) + 1, dtype=np.float32)[:, None]
        self._agreeing = self._scaled(AGREEING, counts)[:, 0]
        self._only_new = [float(self._scaled(ONLY_NEW, np.full((1, 1), value))[0, 0]) for value in (0.0, 1.0)]
        with np.errstate(invalid="ignore", divide="ignore"):
            self._price = np.log(snapshot.catalogue.price.astype(np.float64) + 0.01)
        usual = snapshot.user_features.get("mean_price", np.zeros(0))
        usual = usual if len(usual) == len(snapshot.users) else np.full(len(snapshot.users), np.nan)
        self._usual = np.append(np.log(usual.astype(np.float64) + 0.01), np.nan)
        self._age = np.append(np.digitize(history.last_age, AGES) + 1, 0).astype(np.int64)
        self._visits = np.append(np.minimum(history.visits, 4), 0).astype(np.int64)
        hashes = [zlib.crc32(str(item).encode()) & 0x7FFFFFFF for item in snapshot.items]
        self._hash = np.array(hashes, np.int64)
        places = [zlib.crc32(name.encode()) & 0x7FFFFFFF for name in snapshot.countries]
        where = snapshot.country if len(snapshot.country) else np.full(len(snapshot.users), -1)
        self._place = np.array([*places, 0], np.int64)[np.append(where, -1)]

    def _scaled(self, which: slice, values: Floats) -> Floats:
        values = values.astype(np.float32)
        return values if self._scale is None else normalisation.apply(self._scale, values, which)

    def of(self, block: Block, candidates: Candidates, *, only_new: bool) -> Pairs:
        """Features of pairs.

        Args:
            only_new: whether the list asked for holds only what the shopper never touched.
        """
        batch, items, ranks = candidates.batch, candidates.items, candidates.ranks
        rows = block.rows[batch]
        had = self.union.history.find(rows, items)
        dense = np.empty((len(items), len(NAMES)), np.float32)
        values, best = (np.zeros((len(SIGNALS), size), np.float32) for size in (len(items), len(block.rows)))
        for place, name in enumerate(SIGNALS):
            if name in block.signals:
                values[place], best[place] = block.signals[name].at(batch, items), block.best[name]
        kernels.signals(values, best, batch, dense, self._knots, self._scale is not None)
        snapshot = self.union.snapshot
        goods = snapshot.catalogue
        affinities = ((snapshot.category_affinity, goods.category), (snapshot.brand_affinity, goods.brand))
        for column, (table, codes) in enumerate(affinities, FIT.start + 2):
            dense[:, column] = _affinity(table, block.rows, batch, codes[items])
        wide = np.empty((len(items), len(CROSSES)), np.int32)
        tables = (self._closeness, self._agreeing, self._own, self._item, self._user, self._price, self._usual)
        _fill(dense, wide, rows, items, ranks, had, tables, (self._age, self._visits, self._hash, self._place))
        dense[:, FIT] = self._scaled(FIT, dense[:, FIT])
        dense[:, ONLY_NEW] = self._only_new[only_new]
        return Pairs(dense, wide, self._hash[items].astype(np.int32))

    def shoppers(self, block: Block, batch: Ints) -> Floats:
        """Each pair's features of the shopper alone, as values, whatever the scale: float32 `[pairs, USER]`."""
        return self._users[block.rows[batch]]


@njit(nogil=True, cache=True)
def _fill(dense, wide, rows, items, ranks, had, tables, hashed):  # type: ignore[no-untyped-def]
    """Copy what stands ready, and hash the crosses. Row -1 of a table is that of what is not known."""
    closeness, agreeing, own, item_table, user_table, price, usual = tables
    age, visits, hashes, place = hashed
    sources, depth = ranks.shape[1], len(closeness) - 1
    for pair in range(len(items)):
        item, row, at = items[pair], rows[pair], had[pair]
        agree, proposed = 0, np.int64(0)
        for source in range(sources):
            rank = ranks[pair, source]
            inside = 0 < rank <= depth
            dense[pair, _RANKS + source] = closeness[rank if inside else 0, source]
            agree += inside
            proposed |= np.int64(rank > 0) << source
        dense[pair, _AGREEING] = agreeing[agree]
        dense[pair, _OWN:_OWN_END] = own[at]
        dense[pair, _ITEM:_ITEM_END] = item_table[item]
        dense[pair, _USER:_USER_END] = user_table[row]
        ratio = np.float32(price[item] - usual[row])
        ratio = np.float32(0.0) if np.isnan(ratio) else ratio
        dense[pair, _FIT], dense[pair, _FIT + 1] = ratio, abs(ratio)
        wide[pair, 0] = _mix(proposed * 8 + visits[at], 0)
        wide[pair, 1] = _mix(hashes[item] * 2 + np.int64(at >= 0), 1)
        wide[pair, 2] = _mix(hashes[item] ^ (place[row] * 31), 2)
        wide[pair, 3] = _mix(age[at] * 8 + visits[at], 3)


@njit(nogil=True, cache=True)
def _mix(value, salt):  # type: ignore[no-untyped-def]
    """Scatter integers over 0..2^31-1, differently for each cross (Fibonacci hashing, Knuth 6.4)."""
    mixed = (np.uint64(value) + np.uint64(salt + 1)) * np.uint64(0x9E3779B97F4A7C15)
    return np.int32(mixed >> np.uint64(33))


def _closeness(ranks: Ints, per_source: int) -> Floats:
    """Closeness to the top: 1 at rank 1 and 0 beyond the configured depth, or without a rank, which 0 stands for."""
    depth = np.log1p(np.where(ranks > 0, ranks, per_source + 1).astype(np.float32))
    return np.asarray(1.0 - (depth - np.log(2.0)) / (np.log(per_source + 2.0) - np.log(2.0)), np.float32)


def _own_columns(union: Union, gap_days: Floats) -> Floats:
    """What is known of each pair of the history, and in the last row of a pair that is not in it."""
    history, snapshot = union.history, union.snapshot
    last, first, visits = history.last_age, history.first_age, history.visits
    days = snapshot.user_features.get("active_days")
    days = np.nan_to_num(days)[history.user] if days is not None and len(days) else np.ones(len(last), np.float32)
    again = visits >= 2
    gap = np.where(again, (first - last) / np.maximum(visits - 1, 1), 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        price_change = np.log((snapshot.catalogue.price[history.item] + 0.01) / (history.paid + 0.01))
    columns = [
        np.ones(len(last)),
        np.log1p(np.maximum(last, 0)),
        np.log1p(np.maximum(first, 0)),
        np.log1p(visits),
        np.log1p(history.events),
        np.log1p(history.weight),
        np.log1p(history.visits_ago),
        visits / np.maximum(days, 1.0),
        *(np.log1p(history.decayed[half]) for half in HALF_LIVES),
        np.log((last + 1) / (gap_days[history.item] + 1)),
        np.where(again, np.log((last + 1) / (gap + 1)), 0.0),
        np.log1p(np.maximum(history.quantity, 0)),
        np.nan_to_num(price_change),
    ]
    unknown = np.zeros(len(columns))
    unknown[[1, 2]], unknown[6] = np.log1p(NEVER_DAYS), np.log1p(NEVER_VISITS)
    return np.concatenate([np.stack(columns, axis=1), unknown[None]]).astype(np.float32)


def _item_columns(union: Union) -> dict[str, Floats]:
    snapshot, history = union.snapshot, union.history
    table, size = snapshot.item_features, len(snapshot.items)

    def column(name: str) -> Floats:
        return np.nan_to_num(table[name]) if name in table else np.zeros(size, np.float32)

    owners = np.bincount(history.item, minlength=size)[:size]
    again = np.bincount(history.item[history.visits >= 2], minlength=size)[:size]
    return {
        **{f"item_{name}": np.log1p(column(name)) for name in ITEM_COUNTS},
        "item_buyers": np.log1p(column("buyers")),
        "item_visitors": np.log1p(column("visitors")),
        "item_trend": column("trend"),
        "item_conversion": np.log1p(column("conversion")),
        "item_idle": np.log1p(column("days_since_last")),
        "item_age": np.log1p(np.nan_to_num(snapshot.catalogue.age_days)),
        "item_price": np.log1p(np.nan_to_num(snapshot.catalogue.price)),
        "item_price_band": column("price_band") / 10.0,
        "item_return_rate": (again + 0.5) / (owners + 5.0),
    }


def _user_columns(union: Union) -> dict[str, Floats]:
    snapshot, history = union.snapshot, union.history
    table, size = snapshot.user_features, len(snapshot.users)

    def column(name: str) -> Floats:
        return np.nan_to_num(table[name]) if name in table else np.zeros(size, np.float32)

    had = np.diff(history.ptr)
    idle = column("days_since_last")
    gap = np.maximum(column("days_since_first") - idle, 0) / np.maximum(column("active_days") - 1, 1)
    again = np.bincount(history.user[history.visits >= 2], minlength=size)[:size]
    return {
        **{f"user_{name}": np.log1p(np.maximum(column(name), 0)) for name in USER_COUNTS},
        "user_idle": np.log1p(column("days_since_last")),
        "user_age": np.log1p(column("days_since_first")),
        "user_session_depth": np.log1p(column("session_depth")),
        "user_return_rate": (again + 0.5) / (had + 5.0),
        "user_due": np.log((idle + 1) / (gap + 1)),
    }


def _affinity(table: Any, rows: Ints, batch: Ints, codes: Ints) -> Floats:
    """The user's share of the item's category or brand, 0 where either is unknown."""
    if not table.nnz:
        return np.zeros(len(batch), np.float32)
    mine = table[np.maximum(rows, 0)].astype(np.float32)
    mine.data[np.repeat(rows < 0, np.diff(mine.indptr))] = 0.0
    return np.maximum(Sparse(mine).at(batch, codes.astype(np.int32)), 0.0)
