"""Slots for new items: tried on some shoppers first, so that the log can say what they are worth."""

import hashlib
from datetime import date

import numpy as np
from numpy.typing import NDArray

from models.candidates.new_items import NewItems
from models.config import EventWeights
from models.interface import Ints
from models.policy.audience import Audience
from models.policy.objectives import Exploration
from models.snapshot import Snapshot

CELLS = 4_000_000


class NewArrivals:
    """The new items of a snapshot, in each shopper's order; immutable.

    The order is that of the source `new_items`. Of its best for a shopper, the slots take those whose turn it is by
    shopper and day, so that a day always gives the same and the next day others.
    """

    def __init__(self, snapshot: Snapshot, rule: Exploration, allowed: NDArray[np.bool_]) -> None:
        age = np.nan_to_num(snapshot.catalogue.age_days, nan=np.inf)
        self.rule, self._snapshot = rule, snapshot
        self._pool = np.flatnonzero(allowed & (age <= rule.days)).astype(np.int32)
        self._age = age[self._pool]
        self._scorer = NewItems(EventWeights()).prepare(snapshot)

    def turns(self, audience: Audience) -> tuple[Ints, Ints]:
        """Position of the list and item, in the order in which the list's slots take them."""
        size = min(self.rule.among, len(self._pool))
        if not size or not len(audience):
            return np.zeros(0, np.int32), np.zeros(0, np.int32)
        step = max(1, CELLS // len(self._snapshot.items))
        best = np.concatenate(
            [self._best(audience.row[start : start + step], size) for start in range(0, len(audience), step)]
        )
        offset = np.array([turn(self._id(row), self._snapshot.as_of, size) for row in audience.row])
        rotated = np.take_along_axis(best, (np.arange(size) + offset[:, None]) % size, axis=1)
        return np.repeat(np.arange(len(audience), dtype=np.int32), size), self._pool[rotated].ravel()

    def _best(self, rows: Ints, size: int) -> NDArray[np.int64]:
        scores = self._scorer.signals(rows)["new_items"].dense()[:, self._pool]
        # What the source does not propose (older than it looks back) comes last, the freshest first.
        age = np.broadcast_to(self._age, scores.shape)
        return np.asarray(np.lexsort((age, -scores), axis=1)[:, :size])

    def _id(self, row: int) -> str:
        return str(self._snapshot.users[row]) if row >= 0 else ""


def turn(user: str, day: date, size: int) -> int:
    """Which of `size` items comes first for a shopper on a day."""
    digest = hashlib.blake2b(f"{user}\0{day.isoformat()}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % size
