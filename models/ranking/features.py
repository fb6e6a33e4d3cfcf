"""What the ranker sees of a pair of user and item: the same function for training, scoring and judging."""

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.candidates.history import HALF_LIVES
from models.candidates.own_items import OwnItemsScorer
from models.candidates.union import Block, Union
from models.interface import SOURCES, Floats, Ints

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


@dataclass(frozen=True)
class Pairs:
    """Features of pairs: `dense` float32 `[pairs, len(NAMES)]`, `wide` int32 `[pairs, len(CROSSES)]`, hashes without
    bound, and `item` int32 `[pairs]`, the hash of the item's id."""

    dense: Floats
    wide: Ints
    item: Ints


class PairFeatures:
    """Computes features for pairs of a union's snapshot."""

    def __init__(self, union: Union) -> None:
        snapshot, history = union.snapshot, union.history
        self.union = union
        own = union.scorers.get("own_items")
        self._gap = own.gap_days if isinstance(own, OwnItemsScorer) else np.full(history.items, 30.0, np.float32)
        self._item = np.stack([_item_columns(union)[name] for name in NAMES if name.startswith("item_")], axis=1)
        self._user = np.stack([_user_columns(union)[name] for name in NAMES if name.startswith("user_")], axis=1)
        hashes = [zlib.crc32(str(item).encode()) & 0x7FFFFFFF for item in snapshot.items]
        self._hash = np.array(hashes, np.int64)
        places = [zlib.crc32(name.encode()) & 0x7FFFFFFF for name in snapshot.countries]
        self._place = np.array([*places, 0], np.int64)

    def of(self, block: Block, batch: Ints, items: Ints, *, only_new: bool) -> Pairs:
        """Features of pairs.

        Args:
            batch: int32 `[pairs]`, position in `block.rows`.
            items: int32 `[pairs]`.
            only_new: whether the list asked for holds only what the shopper never touched.
        """
        rows = block.rows[batch]
        at = self.union.history.find(rows, items)
        ranks = block.ranks_at(batch, items)
        parts = [
            _signals(block, batch, items),
            _ranks(ranks, self.union.config.per_source),
            self._own(rows, items, at),
            self._item[items],
            np.where((rows >= 0)[:, None], self._user[rows] if len(self._user) else 0.0, 0.0),
            self._fit(rows, items),
            np.full((len(items), 1), only_new, np.float32),
        ]
        dense = np.concatenate(parts, axis=1).astype(np.float32)
        return Pairs(dense, self._crosses(rows, items, at, ranks), self._hash[items].astype(np.int32))

    def _own(self, rows: Ints, items: Ints, at: NDArray[np.int64]) -> Floats:
        history = self.union.history
        had = at >= 0

        def of(values: Floats, otherwise: float = 0.0) -> Floats:
            return np.where(had, values[at] if len(values) else otherwise, otherwise).astype(np.float32)

        last, first, visits = of(history.last_age, 400.0), of(history.first_age, 400.0), of(history.visits)
        days = self._active_days(rows)
        again = visits >= 2
        gap = np.where(again, (first - last) / np.maximum(visits - 1, 1), 0.0)
        due = np.log((last + 1) / (self._gap[items] + 1))
        columns = [
            had,
            np.log1p(np.maximum(last, 0)),
            np.log1p(np.maximum(first, 0)),
            np.log1p(visits),
            np.log1p(of(history.events)),
            np.log1p(of(history.weight)),
            np.log1p(of(history.visits_ago, 50.0)),
            visits / np.maximum(days, 1.0),
            *(np.log1p(of(history.decayed[half])) for half in HALF_LIVES),
            np.where(had, due, 0.0),
            np.where(again, np.log((last + 1) / (gap + 1)), 0.0),
            np.log1p(np.maximum(of(history.quantity), 0)),
            np.nan_to_num(
                np.log((self.union.snapshot.catalogue.price[items] + 0.01) / (of(history.paid, np.nan) + 0.01))
            ),
        ]
        return np.stack(columns, axis=1).astype(np.float32)

    def _active_days(self, rows: Ints) -> Floats:
        days = self.union.snapshot.user_features.get("active_days")
        return (
            np.ones(len(rows), np.float32)
            if days is None or not len(days)
            else np.where(rows >= 0, np.nan_to_num(days[rows]), 0)
        )

    def _fit(self, rows: Ints, items: Ints) -> Floats:
        snapshot, known = self.union.snapshot, rows >= 0
        usual = snapshot.user_features["mean_price"] if "mean_price" in snapshot.user_features else np.zeros(0)
        usual = np.where(known, usual[rows] if len(usual) else np.nan, np.nan)
        ratio = np.nan_to_num(np.log((snapshot.catalogue.price[items] + 0.01) / (usual + 0.01)))
        columns = [
            ratio,
            np.abs(ratio),
            _affinity(snapshot.category_affinity, rows, snapshot.catalogue.category[items]),
            _affinity(snapshot.brand_affinity, rows, snapshot.catalogue.brand[items]),
        ]
        return np.stack(columns, axis=1).astype(np.float32)

    def _crosses(self, rows: Ints, items: Ints, at: NDArray[np.int64], ranks: NDArray[np.int16]) -> Ints:
        history, had = self.union.history, at >= 0
        visits = np.where(had, np.minimum(history.visits[at], 4) if len(history.visits) else 0, 0).astype(np.int64)
        age = np.where(had, history.last_age[at] if len(history.visits) else 0, 0)
        recency = np.where(had, np.digitize(age, (2, 7, 14, 30, 60, 120, 240)) + 1, 0).astype(np.int64)
        proposed = ((ranks > 0) << np.arange(ranks.shape[1])).sum(axis=1)
        country = np.full(len(rows), -1, np.int64)
        if len(self.union.snapshot.country):
            country = np.where(rows >= 0, self.union.snapshot.country[rows], -1)
        columns = [
            proposed * 8 + visits,
            self._hash[items] * 2 + had,
            self._hash[items] ^ (self._place[country] * 31),
            recency * 8 + visits,
        ]
        return np.stack([_mix(column, salt) for salt, column in enumerate(columns)], axis=1)


def _mix(values: NDArray[np.int64], salt: int) -> Ints:
    """Scatter integers over 0..2^31-1, differently for each cross (Fibonacci hashing, Knuth 6.4)."""
    mixed = (values.astype(np.uint64) + np.uint64(salt + 1)) * np.uint64(0x9E3779B97F4A7C15)
    return (mixed >> np.uint64(33)).astype(np.int32)


def _signals(block: Block, batch: Ints, items: Ints) -> Floats:
    """Each signal as it is and relative to the user's best; 0 where it says nothing."""
    columns: list[Any] = []
    for name in SIGNALS:
        if name not in block.signals:
            columns += [np.zeros(len(batch), np.float32)] * 2
            continue
        values = block.signals[name]
        best = np.maximum(values.max(axis=1, initial=0.0), 1e-9)[batch]
        found = values[batch, items]
        found = np.where(np.isfinite(found), found, 0.0)
        columns += [np.log1p(np.maximum(found, -0.99)), found / best]
    return np.stack(columns, axis=1)


def _ranks(ranks: NDArray[np.int16], per_source: int) -> Floats:
    """Closeness to the top, 1 at rank 1 and 0 beyond the configured depth, and how many sources agree."""
    inside = (ranks > 0) & (ranks <= per_source)
    depth = np.log1p(np.where(inside, ranks, per_source + 1).astype(np.float32))
    close = 1.0 - (depth - np.log(2.0)) / (np.log(per_source + 2.0) - np.log(2.0))
    return np.concatenate([close, inside.sum(axis=1, keepdims=True)], axis=1).astype(np.float32)


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


def _affinity(table: Any, rows: Ints, codes: Ints) -> Floats:
    """The user's share of the item's category or brand, 0 where either is unknown."""
    out = np.zeros(len(rows), np.float32)
    known = np.flatnonzero((rows >= 0) & (codes >= 0))
    if len(known) and table.nnz:
        out[known] = np.asarray(table[rows[known], codes[known]]).ravel()
    return out
