"""A log as tuned baselines and linear models see it: who touched what how long ago, and nothing that was made from it.

It can be wound back, so that what an earlier window judges or teaches knows nothing of the window.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import sparse

from lake.columns import EVENT_TYPES
from models.interface import Floats, Ints
from models.snapshot import Snapshot


@dataclass(frozen=True, eq=False)
class Interactions:
    """Events of a snapshot, or of an earlier day of it.

    Attributes:
        users, items: sizes of the snapshot's vocabularies.
        user: int32 `[events]`, -1 = anonymous.
        item: int32 `[events]`.
        age: float32 `[events]`, days before the end of the as-of day.
        liked: bool `[events]`, false for a rating under the source's threshold.
    """

    users: int
    items: int
    user: Ints
    item: Ints
    age: Floats
    liked: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Interactions":
        log = snapshot.events
        liked = np.ones(len(log), np.bool_)
        if snapshot.positive_from is not None:
            rating = log.kind == EVENT_TYPES.index("rating")
            liked[rating] = log.value[rating] >= snapshot.positive_from
        return cls(len(snapshot.users), len(snapshot.items), log.user, log.item, log.age_days, liked)

    def rewound(self, days: int) -> "Interactions":
        """What was known `days` days before."""
        kept = self.age >= days
        return Interactions(
            self.users, self.items, self.user[kept], self.item[kept], self.age[kept] - days, self.liked[kept]
        )

    def wanted(self, days: int) -> sparse.csr_matrix:
        """Boolean CSR `[users, items]`: what each known shopper liked in the last `days` days."""
        return self.between(0, days)

    def between(self, youngest: int, oldest: int) -> sparse.csr_matrix:
        """The same for what is at least `youngest` and less than `oldest` days old."""
        return self._pairs((self.age >= youngest) & (self.age < oldest) & self.liked)

    @cached_property
    def touched(self) -> sparse.csr_matrix:
        """Boolean CSR `[users, items]`."""
        return self._pairs(np.ones(len(self.user), np.bool_))

    def popularity(self, days: int) -> Floats:
        """float32 `[items]`, share of the largest count of events of the last `days` days; ties by all the log."""
        recent = np.bincount(self.item[self.liked & (self.age < days)], minlength=self.items)
        ever = np.bincount(self.item[self.liked], minlength=self.items)
        count = recent + ever / (ever.sum() + 1.0)
        return np.asarray(count / max(count.max(initial=0.0), 1e-9), np.float32)

    def taste(self, half_life: float) -> sparse.csr_matrix:
        """float32 CSR `[users, items]`: 1 for an item touched at the end of the day, half after `half_life` days."""
        user, item, age = self._visits
        last = np.full(len(user), np.inf, np.float32)
        pair = self._pair_of_visit
        np.minimum.at(last, pair, age)
        first = np.flatnonzero(np.r_[True, pair[1:] != pair[:-1]]) if len(pair) else np.zeros(0, np.int64)
        weight = np.exp2(-last[: len(first)] / half_life)
        return self._matrix(weight, user[first], item[first])

    def habit(self, half_life: float) -> sparse.csr_matrix:
        """float32 CSR `[users, items]`: days on which the shopper came for the item, each halved by its age.

        The largest of a shopper is 1.
        """
        user, item, age = self._visits
        counted = self._matrix(np.exp2(-age / half_life), user, item)
        largest = np.maximum(np.asarray(counted.max(axis=1).todense()).ravel(), 1e-30)
        counted.data /= np.repeat(largest, np.diff(counted.indptr)).astype(np.float32)
        return counted

    @cached_property
    def _visits(self) -> tuple[Ints, Ints, Floats]:
        """Distinct days of each pair of known user and liked item, by user, item and age: user, item, age in days.

        One basket line five hundred times is one visit.
        """
        known = (self.user >= 0) & self.liked
        user, item, day = self.user[known], self.item[known], np.floor(self.age[known]).astype(np.int32)
        order = np.lexsort((day, item, user))
        user, item, day = user[order], item[order], day[order]
        new = np.ones(len(user), np.bool_)
        new[1:] = (user[1:] != user[:-1]) | (item[1:] != item[:-1]) | (day[1:] != day[:-1])
        return user[new], item[new], day[new].astype(np.float32)

    @cached_property
    def _pair_of_visit(self) -> npt.NDArray[np.int64]:
        user, item, _ = self._visits
        new = np.ones(len(user), np.bool_)
        new[1:] = (user[1:] != user[:-1]) | (item[1:] != item[:-1])
        return np.cumsum(new) - 1

    def _pairs(self, events: npt.NDArray[np.bool_]) -> sparse.csr_matrix:
        known = events & (self.user >= 0)
        matrix = self._matrix(np.ones(int(known.sum()), np.float32), self.user[known], self.item[known])
        matrix.data[:] = 1.0
        return matrix

    def _matrix(self, values: Floats, user: Ints, item: Ints) -> sparse.csr_matrix:
        cells = (values.astype(np.float32), (user, item))
        return sparse.csr_matrix(cells, shape=(self.users, self.items), dtype=np.float32)


def batches(rows: int, columns: int, cells: int = 8_000_000) -> Iterator[slice]:
    """Slices of the rows of a dense matrix that keep each part below `cells` cells."""
    step = max(1, cells // max(1, columns))
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))
