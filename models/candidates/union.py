"""The union of the candidate sources: who proposes what, at which rank, for a batch of users."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.candidates.co_visitation import CoVisitation
from models.candidates.history import History
from models.candidates.ials import Ials
from models.candidates.linear import Linear
from models.candidates.new_items import NewItems
from models.candidates.next_visit import NextVisit
from models.candidates.own_items import OwnItems
from models.candidates.popular import Popular
from models.candidates.two_tower_source import TwoTower
from models.config import TrainingConfig
from models.interface import NO_SCORE, SOURCES, Floats, Ints, Reasons, Scorer, Source
from models.snapshot import Snapshot

FUSION_RANKS = 20.0
"""Reciprocal-rank fusion adds 1 / (FUSION_RANKS + rank) over the sources (Cormack et al., SIGIR 2009)."""


def make_sources(config: TrainingConfig, two_tower: Mapping[str, NDArray[Any]] | None) -> list[Source]:
    """The configured sources, in the order of `SOURCES`; without trained arrays there is no two-tower."""
    made: dict[str, Source] = {
        "own_items": OwnItems(config.event_weights),
        "co_visitation": CoVisitation(config.event_weights),
        "linear": Linear(config.linear, config.event_weights),
        "next_visit": NextVisit(config.next_visit, config.event_weights),
        "ials": Ials(config.ials, config.event_weights, config.seed),
        "popular": Popular(config.event_weights),
        "new_items": NewItems(config.event_weights),
    }
    if two_tower is not None:
        made["two_tower"] = TwoTower(two_tower, config)
    return [made[name] for name in SOURCES if name in made and name in config.sources]


@dataclass(frozen=True)
class Block:
    """Everything the sources say about a batch of users.

    Attributes:
        rows: int32 `[batch]`.
        signals: name -> float32 `[batch, items]`.
        ranks: int16 `[sources, batch, items]`, from 1; 0 where the source did not propose the item.
    """

    rows: Ints
    signals: dict[str, Floats]
    ranks: NDArray[np.int16]

    def ranks_at(self, batch: Ints, items: Ints) -> NDArray[np.int16]:
        """int16 `[pairs, sources]`."""
        return np.ascontiguousarray(self.ranks[:, batch, items].T)


class Union:
    """The sources made ready for a snapshot."""

    def __init__(self, sources: Sequence[Source], config: TrainingConfig, snapshot: Snapshot) -> None:
        self.config = config
        self.snapshot = snapshot
        self.history = History.of(snapshot, config.event_weights)
        self.scorers: dict[str, Scorer] = {source.name: source.prepare(snapshot) for source in sources}

    def batches(self, count: int, memory_mb: int) -> Iterator[slice]:
        """Slices of `count` users whose blocks stay within a memory bound."""
        # About a dozen signals, their copies while the best are picked, and the ranks: 30 float32 blocks.
        size = int(np.clip(memory_mb * 1e6 / (30 * 4 * max(len(self.snapshot.items), 1)), 1, 512))
        return (slice(start, min(start + size, count)) for start in range(0, count, size))

    def block(self, rows: Ints, *, only_new: bool = False) -> Block:
        """Score all items for some users.

        Args:
            only_new: leave out what the user touched before.
        """
        signals: dict[str, Floats] = {}
        ranks = np.zeros((len(SOURCES), len(rows), len(self.snapshot.items)), np.int16)
        user, at = self.history.spans(rows)
        item = self.history.item[at]
        for name, scorer in self.scorers.items():
            found = scorer.signals(rows)
            if only_new:
                found[name][user, item] = NO_SCORE
            signals |= found
            best, valid = top(found[name], self.config.per_source)
            batch, place = np.nonzero(valid)
            ranks[SOURCES.index(name), batch, best[batch, place]] = place + 1
        return Block(rows, signals, ranks)

    def candidates(self, block: Block, count: int) -> tuple[Ints, Ints]:
        """The pairs to be ranked: at most `count` a user, those that the sources agree on first.

        Returns:
            Position in the batch and item, sorted by both.
        """
        _, proposed_to, proposed = np.nonzero(block.ranks)
        keys = np.unique(proposed_to * np.int64(self.history.items) + proposed)
        batch: Ints = (keys // self.history.items).astype(np.int32)
        items: Ints = (keys % self.history.items).astype(np.int32)
        ranks = block.ranks_at(batch, items)
        fused = np.where(ranks > 0, 1.0 / (FUSION_RANKS + ranks), 0.0).sum(axis=1)
        order = np.lexsort((items, -fused, batch))
        place = np.arange(len(order)) - np.searchsorted(batch[order], batch[order])
        kept = np.sort(order[place < count])
        return batch[kept], items[kept]

    def explain(self, rows: Ints, items: Ints, source: NDArray[np.int8]) -> Reasons:
        """Each pair's reason by the source given; items it rests on are given by id, nothing as None."""
        code, value = np.full(len(rows), "", dtype=object), np.full(len(rows), None, dtype=object)
        for position, name in enumerate(SOURCES):
            mine = np.flatnonzero(source == position)
            if not len(mine):
                continue
            told = self.scorers[name].explain(rows[mine], items[mine])
            code[mine] = told.code
            value[mine] = [self._name(entry) for entry in told.value]
        return Reasons(code, value)

    def _name(self, entry: Any) -> str | None:
        if isinstance(entry, str):
            return entry or None
        return None if entry < 0 else str(self.snapshot.items[entry])


def top(scores: Floats, count: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The best items of each row, best first, ties by item.

    Returns:
        Items `[rows, k]` with k = min(count, items), and whether each was proposed at all.
    """
    items = scores.shape[1]
    k = min(count, items)
    # Negated, so that the many places without a score lie behind the k-th: selecting among ties is slow before it.
    best = np.argpartition(-scores, k - 1, axis=1)[:, :k] if k < items else np.tile(np.arange(items), (len(scores), 1))
    found = np.take_along_axis(scores, best, axis=1)
    order = np.lexsort((best, -found), axis=1)
    best = np.take_along_axis(best, order, axis=1)
    return best, np.isfinite(np.take_along_axis(found, order, axis=1))
