"""Ranking examples: the candidates of shoppers as of a day, labelled by what they did in the days after."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.candidates.union import Union
from models.interface import Floats, Ints
from models.ranking.features import PairFeatures, Pairs


@dataclass(frozen=True)
class Examples:
    """Pairs grouped by query, a query being one shopper as of one day.

    Attributes:
        pairs: the features.
        gain: float32 `[pairs]`, 0 for a candidate that was not touched.
        ptr: int64 `[queries + 1]`; pairs of query q are `ptr[q]:ptr[q + 1]`.
        user: the queries' user ids.
    """

    pairs: Pairs
    gain: Floats
    ptr: NDArray[np.int64]
    user: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.user)

    def take(self, queries: NDArray[np.int64]) -> "Examples":
        """Some of the queries, in the order given."""
        length = np.diff(self.ptr)[queries]
        ptr = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
        at = np.repeat(self.ptr[queries] - ptr[:-1], length) + np.arange(ptr[-1])
        pairs = Pairs(self.pairs.dense[at], self.pairs.wide[at], self.pairs.item[at])
        return Examples(pairs, self.gain[at], ptr, self.user[queries])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The examples as arrays by name, for a file; `of` reads them back."""
        named = {"dense": self.pairs.dense, "wide": self.pairs.wide, "item": self.pairs.item}
        return {**named, "gain": self.gain, "ptr": self.ptr, "user": self.user.astype(np.str_)}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> "Examples":
        pairs = Pairs(arrays["dense"], arrays["wide"], arrays["item"])
        return cls(pairs, arrays["gain"], arrays["ptr"], arrays["user"].astype(object))

    @classmethod
    def concatenate(cls, parts: list["Examples"]) -> "Examples":
        """Queries of several days, one after another."""
        lengths = np.concatenate([np.diff(part.ptr) for part in parts])
        return cls(
            Pairs(
                np.concatenate([part.pairs.dense for part in parts]),
                np.concatenate([part.pairs.wide for part in parts]),
                np.concatenate([part.pairs.item for part in parts]),
            ),
            np.concatenate([part.gain for part in parts]),
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            np.concatenate([part.user for part in parts]),
        )


def build(
    union: Union,
    gains: Mapping[str, Mapping[str, float]],
    *,
    max_queries: int,
    seed: int,
    memory_mb: int,
    only_new: bool = False,
) -> Examples:
    """Make the examples of one label window.

    Args:
        union: the sources as of the day before the window; whatever they were trained on ended there, too.
        gains: user -> item -> gain, of the window.
        max_queries: shoppers drawn at most.
        only_new: make queries for lists of what the shopper never touched.

    Returns:
        Queries whose candidates hold at least one positive; shoppers ascending. What was touched but not proposed is
        no example: the ranker cannot bring it back.
    """
    snapshot, features = union.snapshot, PairFeatures(union)
    worth = margin_worth(snapshot.catalogue.margin, union.config.ranker.margin_weight)
    users = np.array([user for user in sorted(gains) if user in snapshot.user_index], dtype=object)
    if len(users) > max_queries:
        users = users[np.sort(np.random.default_rng(seed).choice(len(users), max_queries, replace=False))]
    rows, parts = snapshot.rows_of(list(users)), []
    for part in union.batches(len(users), memory_mb):
        block = union.block(rows[part], only_new=only_new)
        found = union.candidates(block, union.config.candidates)
        batch, items = found.batch, found.items
        gain = _gains(gains, users[part], batch, items, snapshot.item_index) * worth[items]
        asked = np.bincount(batch[gain > 0], minlength=part.stop - part.start) > 0
        keep = asked[batch]
        lengths = np.bincount(batch[keep], minlength=len(asked))[asked]
        ptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        pairs = features.of(block, found.take(keep), only_new=only_new)
        parts.append(Examples(pairs, gain[keep], ptr, users[part][asked]))
    return Examples.concatenate(parts) if parts else _none()


def margin_worth(margin: Floats, weight: float) -> Floats:
    """What a hit on an item counts beside others: its margin over the usual one, to the power of `weight`.

    Args:
        margin: float32 `[items]`, NaN where unknown; such an item counts as the usual one.

    Returns:
        float32 `[items]`, between a tenth and ten times: a hit stays a hit, whatever it earns.
    """
    known = np.isfinite(margin) & (margin > 0)
    if not weight or not known.any():
        return np.ones(len(margin), np.float32)
    usual = float(np.median(margin[known]))
    relative = np.where(np.isfinite(margin), np.maximum(margin, 0.0) / usual, 1.0)
    return np.asarray(np.clip(np.power(relative, weight), 0.1, 10.0), np.float32)


def _gains(
    gains: Mapping[str, Mapping[str, float]],
    users: NDArray[np.object_],
    batch: Ints,
    items: Ints,
    index: Mapping[str, int],
) -> Floats:
    wanted, worth = [], []
    for position, user in enumerate(users):
        for item, gain in gains[user].items():
            if item in index and gain > 0:
                wanted.append((position << 32) | index[item])
                worth.append(gain)
    out = np.zeros(len(batch), np.float32)
    if wanted:
        keys, values = np.array(wanted, np.int64), np.array(worth, np.float32)
        order = np.argsort(keys)
        keys, values = keys[order], values[order]
        mine = (batch.astype(np.int64) << 32) | items
        at = np.minimum(np.searchsorted(keys, mine), len(keys) - 1)
        out = np.where(keys[at] == mine, values[at], 0.0).astype(np.float32)
    return out


def _none() -> Examples:
    from models.ranking.features import CROSSES, NAMES

    empty = Pairs(np.zeros((0, len(NAMES)), np.float32), np.zeros((0, len(CROSSES)), np.int32), np.zeros(0, np.int32))
    return Examples(empty, np.zeros(0, np.float32), np.zeros(1, np.int64), np.zeros(0, dtype=object))
