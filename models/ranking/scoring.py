"""The ranker at work, in numpy: the Wide & Deep's arrays over the candidates of a batch of users."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.candidates.union import Block, Union
from models.interface import SOURCES, Floats, Ints, Ranked
from models.ranking import normalisation
from models.ranking.features import PairFeatures, Pairs
from models.ranking.probability import inputs, learn, probabilities

Arrays = Mapping[str, NDArray[Any]]


def forward(arrays: Arrays, pairs: Pairs) -> Floats:
    """The Wide & Deep's scores, float32 `[pairs]`.

    `wide_deep.build` is the same network in Keras, and a test holds the two against each other.
    """
    dense = normalisation.apply(arrays, pairs.dense)
    buckets = arrays["wide_table"].shape[1]
    total = np.zeros(len(dense), np.float32)
    for cross, table in enumerate(arrays["wide_table"]):
        total += table[pairs.wide[:, cross] % buckets]
    seen = np.concatenate([dense, arrays["item_table"][pairs.item % len(arrays["item_table"])]], axis=1)
    layers, networks = sum(name.startswith("kernel_") for name in arrays), len(arrays["bias_0"])
    for number in range(networks):
        hidden = seen
        for layer in range(layers):
            hidden = hidden @ arrays[f"kernel_{layer}"][number] + arrays[f"bias_{layer}"][number]
            if layer < layers - 1:
                hidden = np.maximum(hidden, 0.0)
        total += hidden[:, 0] / networks
    return total.astype(np.float32)


def untrained(block: Block, batch: Ints, items: Ints) -> Floats:
    """The order of a bundle without ranker: own items first, then what sells."""
    total = np.zeros(len(batch), np.float32)
    for name, weight in (("own_items", 1.0), ("popular", 0.5)):
        if name in block.signals:
            values = block.signals[name]
            best = np.maximum(values.max(axis=1, initial=0.0), 1e-9)[batch]
            found = values[batch, items]
            total += np.where(np.isfinite(found), weight * found / best, 0.0).astype(np.float32)
    return total


def rank(
    union: Union, ranker: Arrays | None, rows: Ints, count: int, *, only_new: bool = False, memory_mb: int = 1024
) -> Ranked:
    """Candidates of users, ranked; see `Bundle.score`."""
    parts = []
    for start, block, found in _scored(union, ranker, rows, count, only_new=only_new, memory_mb=memory_mb):
        batch, items, score = found.batch, found.items, found.score
        chance = np.full(len(score), np.nan, np.float32)
        if found.dense is not None and ranker is not None:
            chance = probabilities(ranker, inputs(batch, score, found.dense), only_new=only_new)
            chance[block.rows[batch] < 0] = np.nan
        ranks = block.ranks_at(batch, items)
        order = np.lexsort((items, -score, batch))
        source = np.where(ranks > 0, ranks, np.iinfo(np.int16).max).argmin(axis=1).astype(np.int8)
        user = (batch + start).astype(np.int32)
        parts.append(Ranked(user[order], items[order], score[order], source[order], ranks[order], chance[order]))
    return Ranked.concatenate(parts)


def chances(
    union: Union, ranker: Arrays, rows: Ints, touched: sparse.csr_matrix, count: int, *, memory_mb: int = 1024
) -> dict[str, NDArray[Any]]:
    """Learn the probabilities of a ranker on days that neither it nor the sources have seen; see `probability`.

    Args:
        rows: `[users]` of the snapshot, those who came in the window and those who did not.
        touched: bool CSR `[users, items]`, what each of them touched in the window.
        count: candidates a user.
    """
    seen = []
    for only_new in (False, True):
        parts = []
        for start, _, found in _scored(union, ranker, rows, count, only_new=only_new, memory_mb=memory_mb):
            if found.dense is not None:
                hit = np.asarray(touched[found.batch + start, found.items]).ravel() > 0
                parts.append((inputs(found.batch, found.score, found.dense), hit))
        values, hits = zip(*parts, strict=True)
        seen.append((np.concatenate(values), np.concatenate(hits)))
    return learn(seen)


@dataclass(frozen=True)
class _Scored:
    """Candidates of a batch of users: `batch` ascending; `dense` is None where no ranker looked at features."""

    batch: Ints
    items: Ints
    score: Floats
    dense: Floats | None


def _scored(
    union: Union, ranker: Arrays | None, rows: Ints, count: int, *, only_new: bool, memory_mb: int
) -> Iterator[tuple[int, Block, _Scored]]:
    """Batch by batch: where it begins in `rows`, what the sources say of it, and its candidates' scores."""
    score = _Ranking(union, ranker)
    for part in union.batches(len(rows), memory_mb):
        block = union.block(rows[part], only_new=only_new)
        batch, items = union.candidates(block, count)
        yield part.start, block, score.of(block, batch, items, only_new=only_new)


class _Ranking:
    """A ranker over a union's sources, or the plain order where there is none."""

    def __init__(self, union: Union, ranker: Arrays | None) -> None:
        self._ranker, self._features = ranker, PairFeatures(union) if ranker is not None else None

    def of(self, block: Block, batch: Ints, items: Ints, *, only_new: bool) -> _Scored:
        if self._features is None or self._ranker is None:
            return _Scored(batch, items, untrained(block, batch, items), None)
        pairs = self._features.of(block, batch, items, only_new=only_new)
        score = forward(self._ranker, pairs)
        cold = block.rows[batch] < 0
        if cold.any():
            # It learned from shoppers with a history; for one without, what sells is the better order.
            score = np.where(cold, untrained(block, batch, items), score)
        return _Scored(batch, items, score, pairs.dense)


def score_pairs(union: Union, ranker: Arrays | None, rows: Ints, items: Ints, *, memory_mb: int = 1024) -> Floats:
    """Scores of given pairs, in their order; unknown items get the lowest float32."""
    out = np.full(len(rows), np.finfo(np.float32).min, np.float32)
    score = _Ranking(union, ranker)
    users, owner = np.unique(rows, return_inverse=True)
    order = np.argsort(owner, kind="stable")
    order = order[items[order] >= 0]
    for part in union.batches(len(users), memory_mb):
        mine = order[np.searchsorted(owner[order], part.start) : np.searchsorted(owner[order], part.stop)]
        if not len(mine):
            continue
        block = union.block(users[part].astype(np.int32))
        batch = (owner[mine] - part.start).astype(np.int32)
        out[mine] = score.of(block, batch, items[mine], only_new=False).score
    return out


__all__ = ["SOURCES", "forward", "rank", "score_pairs", "untrained"]
