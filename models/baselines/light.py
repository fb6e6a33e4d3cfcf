"""The two that need no tuning: what sells this week, and what the shopper had before. They are judged every night.

Both rank the snapshot's whole catalogue, so any K can be asked for.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from models.interactions import batches
from models.metrics import PAD
from models.snapshot import Snapshot

POPULAR_DAYS = 7
Lists = npt.NDArray[np.int64]
ListMaker = Callable[[Snapshot, Sequence[str], int, bool], Lists | None]
"""(snapshot, user ids, K, only never-touched items) -> [users, K] items of the snapshot, best first, padded with -1.

None from one that makes no lists of the kind asked for.
"""


def popular(snapshot: Snapshot, users: Sequence[str], k: int, only_new: bool) -> Lists:
    """The items with the most events in the last 7 days; ties by all of the look-back, then by item.

    A shopper's list differs from another's only by `only_new`.
    """
    order = _popularity(snapshot)
    place = _places(order)
    return top(snapshot, users, k, only_new, lambda rows: np.tile(-place, (len(rows), 1)))


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

    return top(snapshot, users, k, only_new, block)


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


def top(
    snapshot: Snapshot,
    users: Sequence[str],
    k: int,
    only_new: bool,
    block: Callable[[npt.NDArray[np.int32]], npt.NDArray[np.floating]],
) -> Lists:
    """Best K of dense scores `[rows, items]`, some users at a time."""
    lists = np.full((len(users), k), PAD, np.int64)
    rows = snapshot.rows_of(users)
    for part in batches(len(users), len(snapshot.items)):
        scores = block(rows[part])
        if only_new:
            known = np.flatnonzero(rows[part] >= 0)
            touched = snapshot.touched[rows[part][known]].tocoo()
            scores[known[touched.row], touched.col] = -np.inf
        found = best_first(scores, k)
        lists[part, : found.shape[1]] = found
    return lists


def best_first(scores: npt.NDArray[np.floating], k: int) -> Lists:
    """[rows, min(K, columns)] columns of the K largest scores of each row, equal ones in order of their columns.

    -1 takes the place of what is -inf.
    """
    width = min(k, scores.shape[1])
    if width == 0:
        return np.zeros((len(scores), 0), np.int64)
    best = np.sort(np.argpartition(-scores, width - 1, axis=1)[:, :width], axis=1)
    # Of equal scores at the edge argpartition takes any: those rows are sorted whole.
    edge = np.take_along_axis(scores, best, 1).min(axis=1, keepdims=True)
    tied = np.flatnonzero(((scores >= edge).sum(axis=1) > width) & np.isfinite(edge[:, 0]))
    best[tied] = np.sort(np.argsort(-scores[tied], axis=1, kind="stable")[:, :width], axis=1)
    value = np.take_along_axis(scores, best, 1)
    order = np.argsort(-value, axis=1, kind="stable")
    best, value = np.take_along_axis(best, order, 1), np.take_along_axis(value, order, 1)
    return np.where(np.isfinite(value), best, PAD)
