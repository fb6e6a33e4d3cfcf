"""What a source says about a batch of users, in the shape that costs least: read at pairs, or asked for its best.

A *signal* has a value for each pair of a user of the batch and an item, `NO_SCORE` where it says nothing. None but
`Columns` holds a value for every pair, so that a large catalogue costs no memory a user.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import sparse

from models.candidates import selection
from models.candidates.nearest_vectors import Index
from models.interface import NO_SCORE, Floats, Ints


@dataclass(frozen=True)
class Touched:
    """Items of each user of a batch that are not to be proposed: those of user u are `item[ptr[u]:ptr[u + 1]]`."""

    ptr: NDArray[np.int64]
    item: Ints

    @classmethod
    def nothing(cls, rows: int) -> "Touched":
        return cls(np.zeros(rows + 1, np.int64), np.zeros(0, np.int32))

    @property
    def owner(self) -> NDArray[np.int64]:
        """Position in the batch of each entry."""
        return np.repeat(np.arange(len(self.ptr) - 1), np.diff(self.ptr))


class Signal(Protocol):
    """Values of pairs for one batch of users."""

    def at(self, batch: Ints, items: Ints) -> Floats:
        """float32 `[pairs]`; `batch` ascends."""
        ...

    def best(self) -> Floats:
        """Each user's largest value, at least 0, float32 `[rows]`."""
        ...

    def top(self, count: int, touched: Touched) -> tuple[Ints, Floats]:
        """Each user's best items but those touched, best first, ties by item: items `[rows, k]`, -1 where there are
        fewer, and their values. k = min(count, items)."""
        ...

    def dense(self) -> Floats:
        """float32 `[rows, items]`: for a look at all of it."""
        ...


class Columns:
    """Values of all users for some items.

    Args:
        values: float32 `[rows, kept]`, `NO_SCORE` where there is none.
        kept: int32 `[kept]`, the items, ascending.
        place: int32 `[items]`, the column of each item of the catalogue, -1 for those that are not kept.
    """

    def __init__(self, values: Floats, kept: Ints, place: Ints) -> None:
        self._values, self._kept, self._place, self._items = values, kept, place, len(place)

    @staticmethod
    def places(kept: Ints, items: int) -> Ints:
        """See `place`."""
        place = np.full(items, -1, np.int32)
        place[kept] = np.arange(len(kept))
        return place

    def at(self, batch: Ints, items: Ints) -> Floats:
        found = np.empty(len(batch), np.float32)
        _columns(self._values, self._place, batch, items, found)
        return found

    def best(self) -> Floats:
        return np.asarray(self._values.max(axis=1, initial=0.0))

    def top(self, count: int, touched: Touched) -> tuple[Ints, Floats]:
        values = self._values
        if len(touched.item) and len(self._kept):
            place = self._place[touched.item]
            here = place >= 0
            values = values.copy()
            values[touched.owner[here], place[here]] = NO_SCORE
        best, value = selection.best(values, min(count, self._items))
        return np.where(best >= 0, self._kept[best] if len(self._kept) else -1, -1).astype(np.int32), value

    def dense(self) -> Floats:
        block = np.full((len(self._values), self._items), NO_SCORE, np.float32)
        block[:, self._kept] = self._values
        return block


class Factors:
    """Inner products of a vector a user and a vector an item.

    Args:
        queries: float32 `[rows, dim]`.
        items: float32 `[items, dim]`.
        known: bool `[rows]`, users about whom something is said.
        above: only products larger than this are values.
        index: finds the largest products where looking at all of them here takes too long.
    """

    def __init__(
        self,
        queries: Floats,
        items: Floats,
        known: NDArray[np.bool_],
        *,
        above: float = -np.inf,
        index: Index | None = None,
    ) -> None:
        self._queries, self._items, self._known, self._above = queries, items, known, np.float32(above)
        self._index = index

    def at(self, batch: Ints, items: Ints) -> Floats:
        found = np.empty(len(batch), np.float32)
        _products(self._queries, self._items, batch, items, found)
        return np.where(self._known[batch] & (found > self._above), found, NO_SCORE).astype(np.float32)

    def best(self) -> Floats:
        return np.maximum(self.top(1, Touched.nothing(len(self._queries)))[1].max(axis=1, initial=0.0), 0.0)

    def top(self, count: int, touched: Touched) -> tuple[Ints, Floats]:
        if self._index is None:
            best, value = selection.search(self._queries, self._items, count, but=(touched.ptr, touched.item))
        else:
            more = int(np.diff(touched.ptr).max(initial=0))
            best, value = self._index.search(self._queries, count + more)
            kept = np.full((len(best), min(count, len(self._items))), -1, np.int32)
            _untouched(best, touched.ptr, touched.item, kept)
            here = np.maximum(kept, 0)
            best = np.where(kept >= 0, np.take_along_axis(best, here, axis=1), -1).astype(np.int32)
            value = np.take_along_axis(value, here, axis=1)
        fine = (best >= 0) & (value > self._above) & self._known[:, None]
        return np.where(fine, best, -1).astype(np.int32), np.where(fine, value, NO_SCORE).astype(np.float32)

    def dense(self) -> Floats:
        block = self._queries @ self._items.T
        return np.where(self._known[:, None] & (block > self._above), block, NO_SCORE).astype(np.float32)


class Sparse:
    """Values of few items a user.

    Args:
        table: float32 CSR `[rows, items]`; what is stored is a value, what is not is none.
    """

    def __init__(self, table: sparse.csr_matrix) -> None:
        self._table = table

    def at(self, batch: Ints, items: Ints) -> Floats:
        found = np.full(len(batch), NO_SCORE, np.float32)
        table = self._table
        _read(table.indptr, table.indices, table.data, batch, items, found, np.empty(table.shape[1], np.float32))
        return found

    def best(self) -> Floats:
        best = np.zeros(self._table.shape[0], np.float32)
        some = np.diff(self._table.indptr) > 0
        if some.any():
            best[some] = np.maximum.reduceat(self._table.data, self._table.indptr[:-1][some])
        return np.maximum(best, 0.0)

    def top(self, count: int, touched: Touched) -> tuple[Ints, Floats]:
        rows, items = self._table.shape
        best, value = np.empty((rows, min(count, items)), np.int32), np.empty((rows, min(count, items)), np.float32)
        seen = np.zeros(items, np.bool_)
        table = self._table
        _top_of_few(table.indptr, table.indices, table.data, touched.ptr, touched.item, seen, best, value)
        return best, value

    def dense(self) -> Floats:
        block = np.full(self._table.shape, NO_SCORE, np.float32)
        block[np.repeat(np.arange(len(block)), np.diff(self._table.indptr)), self._table.indices] = self._table.data
        return block


class Shared:
    """One row of values for all users of a segment.

    Args:
        table: float32 `[segments, items]`, `NO_SCORE` where there is none.
        segment: int32 `[rows]`.
        order: see `ranking`, made once for the table.
    """

    def __init__(self, table: Floats, segment: Ints, order: Ints) -> None:
        self._table, self._segment, self._order = table, segment, order

    @staticmethod
    def ranking(table: Floats) -> Ints:
        """All items of each segment that have a value, best first; -1 behind them."""
        order = np.argsort(-table, axis=1, kind="stable").astype(np.int32)
        return np.where(np.isneginf(np.take_along_axis(table, order, axis=1)), -1, order).astype(np.int32)

    @cached_property
    def _largest(self) -> Floats:
        return np.asarray(self._table.max(axis=1, initial=0.0))

    def at(self, batch: Ints, items: Ints) -> Floats:
        return np.asarray(self._table[self._segment[batch], items])

    def best(self) -> Floats:
        return self._largest[self._segment]

    def top(self, count: int, touched: Touched) -> tuple[Ints, Floats]:
        rows, items = len(self._segment), self._table.shape[1]
        best = np.full((rows, min(count, items)), -1, np.int32)
        _first_untouched(self._order, self._segment, touched.ptr, touched.item, np.zeros(items, np.bool_), best)
        value = np.take_along_axis(self._table[self._segment], np.maximum(best, 0), axis=1) if items else best
        return best, np.where(best >= 0, value, NO_SCORE).astype(np.float32)

    def dense(self) -> Floats:
        return self._table[self._segment]


def dense(signals: Mapping[str, Signal]) -> dict[str, Any]:
    """All values of all signals, for tests and for looks at one source."""
    return {name: signal.dense() for name, signal in signals.items()}


@njit(nogil=True, cache=True, fastmath={"nnan", "nsz", "reassoc"})
def _products(queries, vectors, batch, items, found):  # type: ignore[no-untyped-def]
    for pair in range(len(batch)):
        query, vector = queries[batch[pair]], vectors[items[pair]]
        total = np.float32(0.0)
        for number in range(len(query)):
            total += query[number] * vector[number]
        found[pair] = total


@njit(nogil=True, cache=True)
def _columns(values, place, batch, items, found):  # type: ignore[no-untyped-def]
    for pair in range(len(batch)):
        column = place[items[pair]]
        found[pair] = values[batch[pair], column] if column >= 0 else -np.inf


@njit(nogil=True, cache=True)
def _read(ptr, column, data, batch, items, found, scratch):  # type: ignore[no-untyped-def]
    """Values of a CSR at pairs: a user's row is laid out once, whatever its order."""
    pair = 0
    scratch[:] = -np.inf
    while pair < len(batch):
        row = batch[pair]
        for at in range(ptr[row], ptr[row + 1]):
            scratch[column[at]] = data[at]
        while pair < len(batch) and batch[pair] == row:
            if items[pair] >= 0:
                found[pair] = scratch[items[pair]]
            pair += 1
        for at in range(ptr[row], ptr[row + 1]):
            scratch[column[at]] = -np.inf


@njit(nogil=True, cache=True)
def _top_of_few(ptr, column, data, touched_ptr, touched, seen, best, value):  # type: ignore[no-untyped-def]
    k = best.shape[1]
    for row in range(len(ptr) - 1):
        size = 0
        for at in range(touched_ptr[row], touched_ptr[row + 1]):
            seen[touched[at]] = True
        for at in range(ptr[row], ptr[row + 1]):
            score, item = data[at], column[at]
            if seen[item] or score == -np.inf or k == 0:
                continue
            if size == k and (score < value[row, k - 1] or (score == value[row, k - 1] and item > best[row, k - 1])):
                continue
            place = size if size < k else k - 1
            while place > 0 and (
                value[row, place - 1] < score or (value[row, place - 1] == score and best[row, place - 1] > item)
            ):
                value[row, place], best[row, place] = value[row, place - 1], best[row, place - 1]
                place -= 1
            value[row, place], best[row, place] = score, item
            size = min(size + 1, k)
        best[row, size:] = -1
        value[row, size:] = -np.inf
        for at in range(touched_ptr[row], touched_ptr[row + 1]):
            seen[touched[at]] = False


@njit(nogil=True, cache=True)
def _untouched(found, touched_ptr, touched, kept):  # type: ignore[no-untyped-def]
    """Places of the first items found that were not touched; -1 behind them."""
    for row in range(len(found)):
        mine = touched[touched_ptr[row] : touched_ptr[row + 1]]
        size = 0
        for place in range(found.shape[1]):
            if size < kept.shape[1] and found[row, place] >= 0 and not (mine == found[row, place]).any():
                kept[row, size] = place
                size += 1


@njit(nogil=True, cache=True)
def _first_untouched(order, segment, touched_ptr, touched, seen, best):  # type: ignore[no-untyped-def]
    for row in range(len(segment)):
        for at in range(touched_ptr[row], touched_ptr[row + 1]):
            seen[touched[at]] = True
        size = 0
        for item in order[segment[row]]:
            if item < 0 or size == best.shape[1]:
                break
            if not seen[item]:
                best[row, size] = item
                size += 1
        for at in range(touched_ptr[row], touched_ptr[row + 1]):
            seen[touched[at]] = False
