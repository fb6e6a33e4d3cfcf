"""What the judged shoppers touched in the window, as arrays that every ranker is held against."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from models.interface import Ints
from models.segments_of_users import item_classes
from models.snapshot import Snapshot


@dataclass(frozen=True)
class Targets:
    """Distinct (shopper, item) pairs of the window.

    Attributes:
        users: `[users]` ids, ascending.
        rows: int32 `[users]` of the snapshot, -1 for shoppers that it does not know.
        user: int64 `[pairs]`, position in `users`.
        item: int64 `[pairs]`, index into the snapshot's items. An item unknown at the cut cannot be hit, but it is a
            target: such items are numbered past the catalogue.
        fresh: bool `[pairs]`, never touched before the cut.
        item_class: `[pairs]`, `hot`, `warm` or `cold`.
    """

    users: Sequence[str]
    rows: Ints
    user: npt.NDArray[np.int64]
    item: npt.NDArray[np.int64]
    fresh: npt.NDArray[np.bool_]
    item_class: npt.NDArray[np.object_]

    @classmethod
    def of(cls, snapshot: Snapshot, truth: Mapping[str, set[str]], users: Sequence[str]) -> "Targets":
        """The pairs of some of the shoppers in `truth` (user id -> item ids)."""
        pair_user = np.repeat(np.arange(len(users)), [len(truth[user]) for user in users])
        names = [item for user in users for item in sorted(truth[user])]
        pair_item = snapshot.items_of(names).astype(np.int64)
        unknown = np.flatnonzero(pair_item < 0)
        _, number = np.unique(np.array([names[at] for at in unknown], dtype=str), return_inverse=True)
        pair_item[unknown] = len(snapshot.items) + number
        rows = snapshot.rows_of(users)
        fresh = ~touched_before(snapshot, rows[pair_user], pair_item)
        return cls(users, rows, pair_user, pair_item, fresh, item_classes(snapshot, pair_item))

    @staticmethod
    def matrix(snapshot: Snapshot, truth: Mapping[str, set[str]], rows: Ints) -> sparse.csr_matrix:
        """Boolean CSR `[rows, items]`: what some shoppers touched of the items known at the cut."""
        pairs = [(n, item) for n, row in enumerate(rows) for item in truth.get(snapshot.users[row], ())]
        items = snapshot.items_of([item for _, item in pairs])
        owner = np.array([n for n, _ in pairs], np.int64)
        known = items >= 0
        cells = (np.ones(int(known.sum()), np.bool_), (owner[known], items[known]))
        return sparse.csr_matrix(cells, shape=(len(rows), len(snapshot.items)))

    def part(self, target: str) -> npt.NDArray[np.bool_]:
        """bool `[pairs]`: those of the target `all` or `new`."""
        return self.fresh if target == "new" else np.ones(len(self.user), np.bool_)


def touched_before(snapshot: Snapshot, rows: Ints, items: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """bool `[pairs]`: whether the shopper touched the item before the cut; never so for one that is unknown."""
    found = np.zeros(len(items), np.bool_)
    known = np.flatnonzero((rows >= 0) & (items >= 0) & (items < len(snapshot.items)))
    if len(known):
        found[known] = np.asarray(snapshot.touched[rows[known], items[known]]).ravel() > 0
    return found
