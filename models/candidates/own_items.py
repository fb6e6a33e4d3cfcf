"""Own items: what the shopper had before, by recency and frequency, and by the clock of buying again."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.candidates.history import History
from models.candidates.signals import Signal, Sparse
from models.config import EventWeights
from models.interface import Floats, Ints, Reasons
from models.snapshot import Snapshot

SHORTEST, LONGEST = 3.0, 90.0
"""Bounds of the half-life that a log's own rhythm gives, days."""


class OwnItems:
    """Items the shopper touched, each event weighing half after the log's usual gap between two visits to an item."""

    name = "own_items"

    def __init__(self, weights: EventWeights) -> None:
        self.weights = weights

    def prepare(self, snapshot: Snapshot) -> "OwnItemsScorer":
        return OwnItemsScorer(snapshot, History.of(snapshot, self.weights))


class OwnItemsScorer:
    """See `OwnItems`.

    Attributes:
        gap_days: float32 `[items]`, the usual days between two of a shopper's visits to the item; the log's own median
            where fewer than `MIN_REPEATS` shoppers came back to it.
        half_life: days; the log's median gap within bounds.
    """

    MIN_REPEATS = 5

    def __init__(self, snapshot: Snapshot, history: History) -> None:
        self.history = history
        again = history.visits >= 2
        gaps = (history.first_age[again] - history.last_age[again]) / np.maximum(history.visits[again] - 1, 1)
        usual = float(np.median(gaps)) if len(gaps) else LONGEST
        self.half_life = float(np.clip(usual, SHORTEST, LONGEST))
        self.gap_days = _usual_gaps(history.item[again], gaps, history.items, usual, self.MIN_REPEATS)
        popularity = np.bincount(history.item, minlength=history.items).astype(np.float32)
        age = np.maximum(history.last_age, 0.0)
        said = np.maximum(history.weight / np.maximum(history.events, 1.0), 1e-3)
        score = np.exp2(-age / self.half_life) * history.visits * said
        share = popularity / max(float(popularity.max(initial=0.0)), 1.0)
        self._score = (score * (1.0 + share[history.item])).astype(np.float32)

    def signals(self, rows: Ints) -> dict[str, Signal]:
        return {"own_items": Sparse(self.history.matrix(rows, self._score))}

    def explain(self, rows: Ints, items: Ints) -> Reasons:
        code = np.full(len(rows), "bought", dtype=object)
        return Reasons(code, items.astype(object))


def _usual_gaps(item: Ints, gaps: NDArray[Any], items: int, usual: float, enough: int) -> Floats:
    """Median gap by item, pulled to the log's where few shoppers show one."""
    order = np.lexsort((gaps, item))
    count = np.bincount(item, minlength=items)
    start = np.cumsum(count) - count
    out = np.full(items, usual, np.float32)
    known = count >= enough
    out[known] = gaps[order][start[known] + count[known] // 2]
    return out
