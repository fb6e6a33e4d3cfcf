"""What a shop does without us, as full rankings: what sells this week, and what the shopper had before.

Both rank the snapshot's whole catalogue, so any K can be asked for.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from models.metrics import PAD
from models.snapshot import Snapshot

POPULAR_DAYS = 7
Lists = npt.NDArray[np.int64]
ListMaker = Callable[[Snapshot, Sequence[str], int, bool], Lists]
"""(snapshot, user ids, K, only never-touched items) -> [users, K] items of the snapshot, best first, padded with -1."""

_CELLS = 8_000_000


def popular(snapshot: Snapshot, users: Sequence[str], k: int, only_new: bool) -> Lists:
    """The items with the most events in the last 7 days; ties by all of the look-back, then by item.

    A shopper's list differs from another's only by `only_new`.
    """
    order = _popularity(snapshot)
    place = _places(order)
    return _top(snapshot, users, k, only_new, lambda rows: np.tile(-place, (len(rows), 1)))


def own_items(snapshot: Snapshot, users: Sequence[str], k: int, only_new: bool) -> Lists:
    """The shopper's own items, the latest touched first (ties by popularity), then the popular ones.

    With `only_new`, the own items are gone and what remains is `popular`.
    """
    size = len(snapshot.items)
    place = _places(_popularity(snapshot))
    events = snapshot.events

    def block(rows: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
        scores = np.tile(-place, (len(rows), 1))
        for number, row in enumerate(rows):
            if row < 0:
                continue
            mine = slice(snapshot.user_ptr[row], snapshot.user_ptr[row + 1])
            age = np.full(size, np.inf)
            np.minimum.at(age, events.item[mine], events.age_days[mine])
            own = np.flatnonzero(np.isfinite(age))
            own = own[np.lexsort((place[own], age[own]))]
            scores[number, own] = np.arange(len(own), 0, -1)
        return scores

    return _top(snapshot, users, k, only_new, block)


BASELINES: dict[str, ListMaker] = {"popular_7d": popular, "own_items": own_items}


def _popularity(snapshot: Snapshot) -> npt.NDArray[np.int64]:
    """Items by events in the last week, then in the look-back, then by position."""
    events, size = snapshot.events, len(snapshot.items)
    week = np.bincount(events.item[events.age_days <= POPULAR_DAYS], minlength=size)
    ever = np.bincount(events.item, minlength=size)
    return np.lexsort((np.arange(size), -ever, -week))


def _places(order: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """[items] place of each item in an order, from 0."""
    place = np.empty(len(order))
    place[order] = np.arange(len(order))
    return place


def _top(
    snapshot: Snapshot,
    users: Sequence[str],
    k: int,
    only_new: bool,
    block: Callable[[npt.NDArray[np.int32]], npt.NDArray[np.float64]],
) -> Lists:
    """Best K of dense scores, some users at a time; scores within a row must differ."""
    lists = np.full((len(users), k), PAD, np.int64)
    rows = snapshot.rows_of(users)
    for part in _batches(len(users), len(snapshot.items)):
        scores = block(rows[part])
        if only_new:
            known = np.flatnonzero(rows[part] >= 0)
            touched = snapshot.touched[rows[part][known]].tocoo()
            scores[known[touched.row], touched.col] = -np.inf
        width = min(k, scores.shape[1])
        if width == 0:
            continue
        best = np.argpartition(-scores, width - 1, axis=1)[:, :width]
        value = np.take_along_axis(scores, best, 1)
        order = np.argsort(-value, axis=1, kind="stable")
        best, value = np.take_along_axis(best, order, 1), np.take_along_axis(value, order, 1)
        lists[part, :width] = np.where(np.isfinite(value), best, PAD)
    return lists


def _batches(users: int, items: int) -> Iterator[slice]:
    step = max(1, _CELLS // max(1, items))
    return (slice(start, min(start + step, users)) for start in range(0, users, step))
