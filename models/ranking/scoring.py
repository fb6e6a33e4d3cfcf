"""The ranker at work: candidates of batches of users, their features and their scores, a batch a thread."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits

from models.candidates.union import Block, Candidates, Union
from models.interface import SOURCES, Floats, Ints, Ranked
from models.ranking import normalisation
from models.ranking.features import PairFeatures, Pairs
from models.ranking.network import Network
from models.ranking.probability import inputs, learn, probabilities

Arrays = Mapping[str, NDArray[Any]]


def forward(arrays: Arrays, pairs: Pairs) -> Floats:
    """The Wide & Deep's scores, float32 `[pairs]`, from features as they are.

    `wide_deep.build` is the same network in Keras, and a test holds the two against each other.
    """
    return Network(arrays).scores(replace(pairs, dense=normalisation.apply(arrays, pairs.dense)))


def untrained(block: Block, candidates: Candidates) -> Floats:
    """The order of a bundle without ranker: own items first, then what sells."""
    total = np.zeros(len(candidates), np.float32)
    for name, weight in (("own_items", 1.0), ("popular", 0.5)):
        if name in block.signals:
            best = np.maximum(block.best[name], 1e-9)[candidates.batch]
            found = block.signals[name].at(candidates.batch, candidates.items)
            total += np.where(np.isfinite(found), weight * found / best, 0.0).astype(np.float32)
    return total


@dataclass(frozen=True)
class Scored:
    """Candidates of a batch of users that begins at `start`; `shopper` is None where no ranker looked at features."""

    start: int
    rows: Ints
    pairs: Candidates
    score: Floats
    shopper: Floats | None


class Ranking:
    """A ranker over a union's sources, or the plain order where there is none; what a snapshot gives is made once.

    Args:
        ranker: the trained arrays, or None.
    """

    def __init__(self, union: Union, ranker: Arrays | None) -> None:
        self.union, self.ranker = union, ranker

    @cached_property
    def model(self) -> tuple[PairFeatures, Network] | None:
        """The features of the snapshot, brought to the ranker's scale, and its network."""
        return None if self.ranker is None else (PairFeatures(self.union, self.ranker), Network(self.ranker))

    def of(self, start: int, block: Block, pairs: Candidates, *, only_new: bool) -> Scored:
        """Scores of pairs of a batch of users that begins at `start`."""
        if self.model is None:
            return Scored(start, block.rows, pairs, untrained(block, pairs), None)
        features, network = self.model
        score = network.scores(features.of(block, pairs, only_new=only_new))
        cold = block.rows[pairs.batch] < 0
        if cold.any():
            # It learned from shoppers with a history; for one without, what sells is the better order.
            score = np.where(cold, untrained(block, pairs), score)
        return Scored(start, block.rows, pairs, score, features.shoppers(block, pairs.batch))


def rank(
    ranking: Ranking, rows: Ints, count: int, *, only_new: bool = False, memory_mb: int = 1024, threads: int = 1
) -> Ranked:
    """Candidates of users, ranked; see `Bundle.score`."""
    parts = []
    for found in _scored(ranking, rows, count, only_new=only_new, memory_mb=memory_mb, threads=threads):
        batch, items, ranks, score = found.pairs.batch, found.pairs.items, found.pairs.ranks, found.score
        chance = np.full(len(score), np.nan, np.float32)
        if found.shopper is not None and ranking.ranker is not None:
            chance = probabilities(ranking.ranker, inputs(batch, score, found.shopper), only_new=only_new)
            chance[found.rows[batch] < 0] = np.nan
        order = np.lexsort((items, -score, batch))
        source = np.where(ranks > 0, ranks, np.iinfo(np.int16).max).argmin(axis=1).astype(np.int8)
        user = (batch + found.start).astype(np.int32)
        parts.append(Ranked(user[order], items[order], score[order], source[order], ranks[order], chance[order]))
    return Ranked.concatenate(parts)


def chances(
    ranking: Ranking,
    rows: Ints,
    touched: sparse.csr_matrix,
    count: int,
    *,
    memory_mb: int = 1024,
    threads: int = 1,
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
        for found in _scored(ranking, rows, count, only_new=only_new, memory_mb=memory_mb, threads=threads):
            if found.shopper is not None:
                hit = np.asarray(touched[found.pairs.batch + found.start, found.pairs.items]).ravel() > 0
                parts.append((inputs(found.pairs.batch, found.score, found.shopper), hit))
        values, hits = zip(*parts, strict=True)
        seen.append((np.concatenate(values), np.concatenate(hits)))
    return learn(seen)


def _scored(
    ranking: Ranking, rows: Ints, count: int, *, only_new: bool, memory_mb: int, threads: int
) -> Iterator[Scored]:
    """Batch by batch, in order; no more batches are at work, or wait to be taken, than there are threads."""
    union, _ = ranking.union, ranking.model  # made before the threads ask for it

    def work(part: slice) -> Scored:
        block = union.block(rows[part], only_new=only_new)
        return ranking.of(part.start, block, union.candidates(block, count), only_new=only_new)

    parts = union.batches(len(rows), max(memory_mb // threads, 1))
    # A matrix product that spreads over all cores would stand in the way of the other batches.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        waiting = [pool.submit(work, part) for part in islice(parts, threads)]
        while waiting:
            found = waiting.pop(0).result()
            waiting += [pool.submit(work, part) for part in islice(parts, 1)]
            yield found


def score_pairs(ranking: Ranking, rows: Ints, items: Ints, *, memory_mb: int = 1024) -> Floats:
    """Scores of given pairs, in their order; unknown items get the lowest float32."""
    out = np.full(len(rows), np.finfo(np.float32).min, np.float32)
    union = ranking.union
    users, owner = np.unique(rows, return_inverse=True)
    order = np.argsort(owner, kind="stable")
    order = order[items[order] >= 0]
    for part in union.batches(len(users), memory_mb):
        mine = order[np.searchsorted(owner[order], part.start) : np.searchsorted(owner[order], part.stop)]
        if not len(mine):
            continue
        block = union.block(users[part].astype(np.int32))
        pairs = block.pairs((owner[mine] - part.start).astype(np.int32), items[mine])
        out[mine] = ranking.of(part.start, block, pairs, only_new=False).score
    return out


__all__ = ["SOURCES", "Ranking", "forward", "rank", "score_pairs", "untrained"]
