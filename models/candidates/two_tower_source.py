"""The trained two-tower as a candidate source, in numpy: no TensorFlow where lists are made.

Both towers are sums of embeddings and one small residual layer, so their arrays say everything. The history reads the
same item vectors that candidates have, which also gives an item of today's catalogue a vector from its content.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.candidates import approximate
from models.candidates.content import Content
from models.candidates.nearest_vectors import Index, index_of
from models.candidates.signals import Factors, Signal
from models.candidates.two_tower_data import context
from models.candidates.two_tower_history import histories
from models.config import TrainingConfig
from models.interface import Floats, Ints, Reasons
from models.snapshot import Snapshot

Arrays = Mapping[str, NDArray[Any]]


def unit(vectors: Floats) -> Floats:
    """Rows scaled to length one; a zero row stays zero."""
    length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors) + 1e-12)
    return (vectors / length[:, None]).astype(np.float32)


def item_vectors(arrays: Arrays, ids: Ints, content: Content) -> Floats:
    """Item tower: unit vectors, float32 `[items, dim]`.

    Args:
        ids: int32 `[items]`, row of `id_table`, 0 for an item that training never met.
    """
    words = content.tokens > 0
    title = np.einsum("ijk,ij->ik", arrays["token_table"][content.tokens], words.astype(np.float32))
    title /= np.maximum(words.sum(axis=1, keepdims=True), 1)
    total = arrays["id_table"][ids] + arrays["category_table"][content.category] + arrays["brand_table"][content.brand]
    return unit(total + arrays["band_table"][content.band] + title)


def query_vectors(arrays: Arrays, history: Floats, buckets: Ints) -> Floats:
    """Query tower: unit vectors, float32 `[rows, dim]`.

    Args:
        history: float32 `[rows, dim]`, weighted mean of item vectors.
        buckets: int32 `[rows, 3]`, country, device and user.
    """
    place = arrays["country_table"][buckets[:, 0]] + arrays["device_table"][buckets[:, 1]]
    who = place + arrays["user_table"][np.minimum(buckets[:, 2], len(arrays["user_table"]) - 1)]
    hidden = np.maximum(np.concatenate([history, who], axis=1) @ arrays["hidden_kernel"] + arrays["hidden_bias"], 0.0)
    return unit(history + hidden @ arrays["out_kernel"] + arrays["out_bias"])


class TwoTower:
    """Items whose vector lies closest to the shopper's."""

    name = "two_tower"

    def __init__(self, arrays: Arrays, config: TrainingConfig, gpu: bool = False) -> None:
        self.arrays = arrays
        self.config = config
        self.gpu = gpu

    def prepare(self, snapshot: Snapshot) -> "TwoTowerScorer":
        scorer = TwoTowerScorer(snapshot, self.arrays, self.config)
        scorer.index = index_of(scorer.items, scorer.sample, above=self.config.approximate_above, gpu=self.gpu)
        return scorer


class TwoTowerScorer:
    """See `TwoTower`; `items` is float32 `[items, dim]`."""

    def __init__(self, snapshot: Snapshot, arrays: Arrays, config: TrainingConfig) -> None:
        self.arrays = arrays
        known = {item: row for row, item in enumerate(arrays["item_ids"].tolist(), start=1)}
        ids = np.fromiter((known.get(item, 0) for item in snapshot.items), np.int32, len(snapshot.items))
        self.items = item_vectors(arrays, ids, Content.of(snapshot, config.two_tower.title_buckets))
        self.history = histories(snapshot, config, arrays, self.items)
        rows = np.arange(len(snapshot.users), dtype=np.int32)
        self._context = context(snapshot, rows, config.two_tower.user_buckets)
        self._warm = np.diff(self.history.indptr) > 0
        self.index: Index | None = None

    def sample(self) -> Floats:
        """Query vectors of some users who have a history."""
        return self.queries(approximate.sample(self._warm))

    def queries(self, rows: Ints) -> Floats:
        """Query vectors of known users, float32 `[rows, dim]`."""
        return query_vectors(self.arrays, self.history[rows] @ self.items, self._context[rows])

    def signals(self, rows: Ints) -> dict[str, Signal]:
        warm = rows >= 0
        warm[warm] = self._warm[rows[warm]]
        queries = np.zeros((len(rows), self.items.shape[1]), np.float32)
        if warm.any():
            queries[warm] = self.queries(rows[warm])
        return {"two_tower": Factors(queries, self.items, warm, index=self.index)}

    def explain(self, rows: Ints, items: Ints) -> Reasons:
        """The item of the history that lies closest to the item, -1 where the user has none."""
        value = np.full(len(rows), -1, np.int64)
        chunk = 20_000
        for start in range(0, len(rows), chunk):
            part = np.arange(start, min(start + chunk, len(rows)))
            part = part[rows[part] >= 0]
            length = self.history.indptr[rows[part] + 1] - self.history.indptr[rows[part]]
            pair = np.repeat(part, length)
            offset = np.arange(len(pair)) - np.repeat(np.cumsum(length) - length, length)
            past = self.history.indices[self.history.indptr[rows[pair]] + offset]
            near = np.einsum("ij,ij->i", self.items[past], self.items[items[pair]])
            order = np.lexsort((past, -near, pair))
            first = order[np.unique(pair[order], return_index=True)[1]]
            value[pair[first]] = past[first]
        return Reasons(np.full(len(rows), "similar", dtype=object), value.astype(object))
