"""Lists whose rows do not stand together in the lake, found in one pass over owners and ranks."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.publication.assembling import changes, one_of
from jobs.publication.whole_lists import KINDS
from lake.columns import Columns as C

MOST_OWNERS = 100_000
"""Of scattered lists that are told apart; with more, the day is out of order and all of it is sorted."""


class Scattered:
    """Owners of lists that are broken up.

    A list stands together if no run of its ranks begins with another than 1: wherever one is torn apart, a piece
    without its head is left.
    """

    def __init__(self) -> None:
        self.everything = False
        self.rows = 0
        """That have to be sorted, at most."""
        self._owners: set[str] = set()
        self._seen = 0
        self._longest = 0
        self._last: tuple[str, str, int] | None = None

    def look_at(self, batch: pa.RecordBatch) -> None:
        """Take in the next rows (`kind`, `owner`, `rank`), in the order of the lake."""
        kind, owner, rank = batch[C.KIND], batch[C.OWNER], batch[C.RANK].to_numpy()
        self._seen += len(batch)
        self._longest = max(self._longest, int(rank.max()))
        torn = rank != 1
        torn[1:] &= changes(kind) | changes(owner) | (np.diff(rank) != 1)
        first = (kind[0].as_py(), owner[0].as_py(), int(rank[0]))
        if self._last is not None and (self._last[0], self._last[1], self._last[2] + 1) == first:
            torn[0] = False
        self._last = (kind[-1].as_py(), owner[-1].as_py(), int(rank[-1]))
        if torn.any() and not self.everything:
            self._owners.update(pc.unique(owner.filter(pa.array(torn))).to_pylist())
            self.everything = len(self._owners) > MOST_OWNERS
        self.rows = min(self._seen, len(self._owners) * self._longest * len(KINDS))
        if self.everything:
            self.rows = self._seen

    def mine(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows of scattered lists."""
        return batch if self.everything else batch.filter(one_of(batch[C.OWNER], self._owners))

    def others(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows of all other lists."""
        return batch if not self._owners else batch.filter(pc.invert(one_of(batch[C.OWNER], self._owners)))
