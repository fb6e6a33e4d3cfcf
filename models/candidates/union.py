"""The union of the candidate sources: who proposes what, at which rank, for a batch of users."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.candidates.co_visitation import CoVisitation
from models.candidates.history import History
from models.candidates.ials import Ials
from models.candidates.linear import Linear
from models.candidates.new_items import NewItems
from models.candidates.next_visit import NextVisit
from models.candidates.own_items import OwnItems
from models.candidates.popular import Popular
from models.candidates.signals import Signal, Touched
from models.candidates.two_tower_source import TwoTower
from models.config import TrainingConfig
from models.interface import SOURCES, Floats, Ints, Reasons, Scorer, Source
from models.snapshot import Snapshot

FUSION_RANKS = 20.0
"""Reciprocal-rank fusion adds 1 / (FUSION_RANKS + rank) over the sources (Cormack et al., SIGIR 2009)."""


def make_sources(
    config: TrainingConfig, two_tower: Mapping[str, NDArray[Any]] | None, *, gpu: bool = False
) -> list[Source]:
    """The configured sources, in the order of `SOURCES`; without trained arrays there is no two-tower.

    Args:
        gpu: the sources that compare vectors do so on a GPU.
    """
    made: dict[str, Source] = {
        "own_items": OwnItems(config.event_weights),
        "co_visitation": CoVisitation(config.event_weights),
        "linear": Linear(config.linear, config.event_weights),
        "next_visit": NextVisit(config.next_visit, config.event_weights),
        "ials": Ials(config.ials, config.event_weights, config.seed, config.approximate_above, gpu),
        "popular": Popular(config.event_weights),
        "new_items": NewItems(config.event_weights),
    }
    if two_tower is not None:
        made["two_tower"] = TwoTower(two_tower, config, gpu)
    return [made[name] for name in SOURCES if name in made and name in config.sources]


@dataclass(frozen=True)
class Block:
    """Everything the sources say about a batch of users.

    Attributes:
        rows: int32 `[batch]`.
        items: size of the catalogue.
        signals: what each source knows, by the signal's name.
        best: signal -> each user's largest value, at least 0, float32 `[batch]`; a source's own counts what may be
            shown.
        proposed: int32 `[sources, batch, per_source]`, each source's items, best first; -1 behind them.
    """

    rows: Ints
    items: int
    signals: dict[str, Signal]
    best: dict[str, Floats]
    proposed: Ints

    def pairs(self, batch: Ints, items: Ints) -> "Candidates":
        """Any pairs, with the ranks that the sources give them; `batch` must ascend."""
        ranks = np.zeros((len(batch), len(self.proposed)), np.int16)
        _ranks_of(self.proposed, batch, items, ranks, np.zeros((len(self.proposed), self.items), np.int16))
        return Candidates(batch, items, ranks)


@dataclass(frozen=True)
class Candidates:
    """Pairs to be ranked.

    Attributes:
        batch: int32 `[pairs]`, position in the batch, ascending.
        items: int32 `[pairs]`.
        ranks: int16 `[pairs, sources]`, from 1; 0 where the source did not propose the item.
    """

    batch: Ints
    items: Ints
    ranks: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.batch)

    def take(self, which: NDArray[Any]) -> "Candidates":
        """Some of them, in their order."""
        return Candidates(self.batch[which], self.items[which], self.ranks[which])


class Union:
    """The sources made ready for a snapshot."""

    def __init__(self, sources: Sequence[Source], config: TrainingConfig, snapshot: Snapshot) -> None:
        self.config = config
        self.snapshot = snapshot
        self.history = History.of(snapshot, config.event_weights)
        self.scorers: dict[str, Scorer] = {source.name: source.prepare(snapshot) for source in sources}

    def batches(self, count: int, memory_mb: int) -> Iterator[slice]:
        """Slices of `count` users whose scores and features stay within a memory bound."""
        items, config = max(len(self.snapshot.items), 1), self.config
        linear = min(items, max(config.linear.max_items, config.next_visit.max_items))
        # The linear models' scores with their copies, the likeness of titles, and the features of the candidates with
        # what becomes of them in the network.
        a_user = 4 * (8 * linear + 4 * items) + 2_000 * config.candidates
        size = int(np.clip(memory_mb * 1e6 / a_user, 1, 512))
        return (slice(start, min(start + size, count)) for start in range(0, count, size))

    def block(self, rows: Ints, *, only_new: bool = False) -> Block:
        """Ask all sources about some users.

        Args:
            only_new: leave out what the user touched before.
        """
        items = len(self.snapshot.items)
        signals: dict[str, Signal] = {}
        best: dict[str, Floats] = {}
        proposed = np.full((len(SOURCES), len(rows), min(self.config.per_source, items)), -1, np.int32)
        touched = self.history.touched(rows) if only_new else Touched.nothing(len(rows))
        for name, scorer in self.scorers.items():
            found = scorer.signals(rows)
            place = SOURCES.index(name)
            proposed[place], value = found[name].top(self.config.per_source, touched)
            best |= {other: signal.best() for other, signal in found.items() if other != name}
            best[name] = np.maximum(value.max(axis=1, initial=0.0), 0.0)
            signals |= found
        return Block(rows, items, signals, best, proposed)

    def candidates(self, block: Block, count: int) -> Candidates:
        """The pairs to be ranked: at most `count` a user, those that the sources agree on first; sorted by user and
        item."""
        sources, rows, each = block.proposed.shape
        size = rows * min(count, sources * each, max(block.items, 1))
        batch, items = np.empty(size, np.int32), np.empty(size, np.int32)
        ranks = np.zeros((size, sources), np.int16)
        fused = np.zeros(block.items, np.float64)
        found = _agreed(block.proposed, count, fused, batch, items)
        batch, items, ranks = batch[:found], items[:found], ranks[:found]
        _ranks_of(block.proposed, batch, items, ranks, np.zeros((sources, block.items), np.int16))
        return Candidates(batch, items, ranks)

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


@njit(nogil=True, cache=True)
def _agreed(proposed, count, fused, batch, items):  # type: ignore[no-untyped-def]
    """Fill `batch` and `items` with each user's candidates, ascending; returns how many there are."""
    sources, rows, each = proposed.shape
    mine = np.empty(sources * each, np.int32)
    size = 0
    for row in range(rows):
        found = 0
        for source in range(sources):
            for place in range(each):
                item = proposed[source, row, place]
                if item < 0:
                    break
                if fused[item] == 0.0:
                    mine[found] = item
                    found += 1
                fused[item] += 1.0 / (FUSION_RANKS + place + 1)
        kept = np.sort(mine[:found])
        if found > count:
            score = np.empty(found)
            for at in range(found):
                score[at] = fused[kept[at]]
            bound = np.sort(score)[found - count]
            room = count - (score > bound).sum()
            last = 0
            for at in range(found):
                # Of those that are equal at the bound the first items go in.
                if score[at] > bound or (score[at] == bound and room > 0):
                    room -= score[at] == bound
                    kept[last] = kept[at]
                    last += 1
                else:
                    fused[kept[at]] = 0.0
            kept = kept[:last]
        for at in range(len(kept)):
            batch[size], items[size] = row, kept[at]
            fused[kept[at]] = 0.0
            size += 1
    return size


@njit(nogil=True, cache=True)
def _ranks_of(proposed, batch, items, ranks, laid):  # type: ignore[no-untyped-def]
    """Ranks of pairs: a user's proposals are laid out once, read, and taken away again."""
    sources, _, each = proposed.shape
    pair = 0
    while pair < len(batch):
        row = batch[pair]
        for source in range(sources):
            for place in range(each):
                if proposed[source, row, place] < 0:
                    break
                laid[source, proposed[source, row, place]] = place + 1
        while pair < len(batch) and batch[pair] == row:
            for source in range(sources):
                ranks[pair, source] = laid[source, items[pair]]
            pair += 1
        for source in range(sources):
            for place in range(each):
                if proposed[source, row, place] < 0:
                    break
                laid[source, proposed[source, row, place]] = 0
