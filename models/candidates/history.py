"""What each shopper did with each item: the distinct pairs of a snapshot, with their clocks and counts."""

from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import sparse

from lake.columns import EVENT_TYPES
from models.candidates.signals import Touched
from models.config import EventWeights
from models.interface import Floats, Ints
from models.snapshot import Snapshot

HALF_LIVES = (7.0, 30.0, 90.0)
"""Half-lives of the decayed sums, days."""


def event_weights(snapshot: Snapshot, weights: EventWeights) -> Floats:
    """How much each event of the snapshot says, float32 `[events]`; a rating that is no liking says nothing."""
    by_kind = np.array([getattr(weights, kind) for kind in EVENT_TYPES], np.float32)
    said = by_kind[snapshot.events.kind]
    if snapshot.positive_from is not None:
        said[snapshot.events.value < snapshot.positive_from] = 0.0
    return said


_OF_SNAPSHOT: WeakKeyDictionary[Snapshot, dict[EventWeights, "History"]] = WeakKeyDictionary()


@dataclass(frozen=True)
class History:
    """Distinct pairs of known user and item, sorted by user, then item.

    Attributes:
        items: size of the item vocabulary.
        ptr: int64 `[users + 1]`; pairs of user u are `ptr[u]:ptr[u + 1]`.
        item: int32 `[pairs]`.
        last_age, first_age: float32, days since the last and the first event.
        visits: float32, distinct days with an event.
        events: float32, events.
        weight: float32, sum of event weights, without decay.
        decayed: half-life in days -> float32, sum of event weights, decayed by age.
        quantity: float32, mean quantity of its events, 1 where the log tells none.
        paid: float32, price of its last event that has one, NaN where none has.
        visits_ago: float32, on how many days the user came since the pair's last event; 0 = on the user's last day.
    """

    items: int
    ptr: NDArray[np.int64]
    item: Ints
    last_age: Floats
    first_age: Floats
    visits: Floats
    events: Floats
    weight: Floats
    decayed: dict[float, Floats]
    visits_ago: Floats
    quantity: Floats
    paid: Floats

    @classmethod
    def of(cls, snapshot: Snapshot, weights: EventWeights) -> "History":
        """The pairs of a snapshot; collected once, as several sources and the ranker's features read them."""
        known = _OF_SNAPSHOT.setdefault(snapshot, {})
        if weights not in known:
            known[weights] = cls._collect(snapshot, weights)
        return known[weights]

    @classmethod
    def _collect(cls, snapshot: Snapshot, weights: EventWeights) -> "History":
        log, items, users = snapshot.events, max(len(snapshot.items), 1), len(snapshot.users)
        known = log.user >= 0
        user, age, said = log.user[known], log.age_days[known], event_weights(snapshot, weights)[known]
        keys, pair = np.unique(user.astype(np.int64) * items + log.item[known], return_inverse=True)
        size = len(keys)
        last, first = np.full(size, np.inf, np.float32), np.zeros(size, np.float32)
        np.minimum.at(last, pair, age)
        np.maximum.at(first, pair, age)
        day = age.astype(np.int64)
        pair_days = np.unique(pair.astype(np.int64) * (1 << 20) + day)
        owner = (keys // items).astype(np.int32)

        def total(values: NDArray) -> Floats:
            return np.bincount(pair, values, size).astype(np.float32)

        events, quantity = total(np.ones(len(pair))), total(np.nan_to_num(log.quantity[known], nan=1.0))
        return cls(
            items=items,
            ptr=np.searchsorted(owner, np.arange(users + 1)).astype(np.int64),
            item=(keys % items).astype(np.int32),
            last_age=last,
            first_age=first,
            visits=np.bincount(pair_days >> 20, minlength=size).astype(np.float32),
            events=events,
            weight=total(said),
            decayed={half: total(said * np.exp2(-age / half)) for half in HALF_LIVES},
            visits_ago=_visits_ago(user, day, owner, last.astype(np.int64)),
            quantity=(quantity / np.maximum(events, 1.0)).astype(np.float32),
            paid=_latest(pair, age, log.price[known], size),
        )

    @cached_property
    def usual_gap(self) -> float:
        """Days between two visits of a shopper to an item, the log's median; infinite where nobody ever came back."""
        again = self.visits >= 2
        gaps = (self.first_age[again] - self.last_age[again]) / np.maximum(self.visits[again] - 1, 1)
        return float(np.median(gaps)) if len(gaps) else float("inf")

    @property
    def memory_days(self) -> float:
        """Age at which a visit says half as much about taste: twice the log's rhythm, a week to a quarter."""
        return float(np.clip(2 * self.usual_gap, 7.0, 90.0))

    @property
    def user(self) -> Ints:
        """int32 `[pairs]`, the pair's user."""
        return np.repeat(np.arange(len(self.ptr) - 1, dtype=np.int32), np.diff(self.ptr))

    def shares(self, half_life: float) -> Floats:
        """Weights of the pairs by recency and events, float32 `[pairs]`, that add up to one for each user.

        Long histories thus do not score higher than short ones.
        """
        return self.share_of(np.exp2(-np.maximum(self.last_age, 0.0) / half_life) * np.log1p(self.weight))

    def share_of(self, values: Floats) -> Floats:
        """Values of the pairs, divided by their user's total."""
        total = np.bincount(self.user, values, len(self.ptr) - 1)
        return (values / np.maximum(total, 1e-9)[self.user]).astype(np.float32)

    def find(self, rows: Ints, items: Ints) -> NDArray[np.int64]:
        """Position of each pair `(rows[n], items[n])`, -1 where the user never touched the item."""
        found = np.full(len(rows), -1, np.int64)
        _find(self.ptr, self.item, rows, items, found)
        return found

    def touched(self, rows: Ints) -> Touched:
        """What some users touched."""
        owner, at = self.spans(rows)
        return Touched(np.searchsorted(owner, np.arange(len(rows) + 1)).astype(np.int64), self.item[at])

    def spans(self, rows: Ints) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The pairs of some users: for each pair its position in `rows` and its position here."""
        safe = np.maximum(rows, 0) if len(self.ptr) > 1 else np.zeros(0, np.int64)
        if not len(safe):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        lengths = np.where(rows >= 0, self.ptr[safe + 1] - self.ptr[safe], 0)
        owner = np.repeat(np.arange(len(rows)), lengths)
        offset = np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return owner, self.ptr[safe][owner] + offset

    def matrix(self, rows: Ints, values: Floats) -> sparse.csr_matrix:
        """Some users' pairs as float32 CSR `[rows, items]` of `values[pairs]`."""
        owner, at = self.spans(rows)
        ptr = np.searchsorted(owner, np.arange(len(rows) + 1))
        return sparse.csr_matrix((values[at], self.item[at], ptr), shape=(len(rows), self.items))


def _visits_ago(user: Ints, day: NDArray[np.int64], owner: Ints, last_day: NDArray[np.int64]) -> Floats:
    """Distinct days of the user that are later than the pair's last day."""
    visits = np.unique(user.astype(np.int64) * (1 << 20) + day)
    start = np.searchsorted(visits, owner.astype(np.int64) * (1 << 20))
    return (np.searchsorted(visits, owner.astype(np.int64) * (1 << 20) + last_day) - start).astype(np.float32)


def _latest(pair: NDArray[np.int64], age: Floats, values: Floats, size: int) -> Floats:
    """The youngest known value of each pair, NaN where none is known."""
    out = np.full(size, np.nan, np.float32)
    known = np.flatnonzero(~np.isnan(values))
    # Of several assignments to one place the last one stays.
    order = known[np.argsort(-age[known], kind="stable")]
    out[pair[order]] = values[order]
    return out


@njit(nogil=True, cache=True)
def _find(ptr, item, rows, items, found):  # type: ignore[no-untyped-def]
    for pair in range(len(rows)):
        if rows[pair] < 0:
            continue
        low, high = ptr[rows[pair]], ptr[rows[pair] + 1]
        stop = high
        while low < high:
            middle = (low + high) // 2
            if item[middle] < items[pair]:
                low = middle + 1
            else:
                high = middle
        if low < stop and item[low] == items[pair]:
            found[pair] = low
