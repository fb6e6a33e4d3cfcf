"""What the two-tower trains on, cut from a snapshot into integer arrays, so that its process needs no lake.

An example is a shopper, a day on which the shopper came back, and one item touched on that day; the query sees only
events of earlier days, as a nightly list would.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.candidates.content import Content, bucket
from models.candidates.history import event_weights
from models.config import TrainingConfig
from models.interface import Floats, Ints
from models.snapshot import Snapshot

CONTEXT_BUCKETS = 64
"""Buckets of hashed countries, and of hashed devices."""

Arrays = dict[str, NDArray[Any]]


def context(snapshot: Snapshot, rows: Ints, user_buckets: int) -> Ints:
    """Country, device and user as buckets, int32 `[rows, 3]`; 0 = unknown or switched off."""
    countries = np.array([*(bucket(name, CONTEXT_BUCKETS) for name in snapshot.countries), 0], np.int32)
    devices = np.array([*(bucket(name, CONTEXT_BUCKETS) for name in snapshot.devices), 0], np.int32)
    out = np.zeros((len(rows), 3), np.int32)
    known = rows >= 0
    out[known, 0] = countries[snapshot.country[rows[known]]]
    out[known, 1] = devices[snapshot.device[rows[known]]]
    if user_buckets > 1:
        out[known, 2] = [bucket(snapshot.users[row], user_buckets) for row in rows[known]]
    return out


def inputs(snapshot: Snapshot, config: TrainingConfig, held_out_days: int) -> Arrays:
    """Everything that one fit needs.

    Args:
        held_out_days: the last days, kept out of the examples and asked for at the end of each epoch; 0 = none.

    Returns:
        `item`, `age`, `said` of the log of known users (sorted by user and time); `begin`, `end`, `now`, `target`,
        `user` of each example: the history is the log's `[begin, end)`, `now` is the age of the query's day, days;
        `held_*` likewise with `held_targets` by `held_ptr`; `context` of each user; the items' content and ids.
    """
    log, two_tower = snapshot.events, config.two_tower
    known = log.user >= 0
    user, item, age = log.user[known], log.item[known], log.age_days[known]
    begin = (snapshot.user_ptr - snapshot.user_ptr[0])[user] if len(user) else np.zeros(0, np.int64)
    day = age.astype(np.int64)
    end = _first_of_day(user, day)
    said = event_weights(snapshot, config.event_weights)[known]
    usable = np.flatnonzero((end > begin) & (said > 0) & (day >= held_out_days))
    usable = usable[_first_of_each(user[usable], day[usable], item[usable])]
    newest = usable[np.lexsort((usable, age[usable]))][: two_tower.max_examples]
    chosen = np.sort(newest)
    content = Content.of(snapshot, two_tower.title_buckets)
    return {
        "item": item,
        "age": age,
        "said": said,
        "begin": begin[chosen],
        "end": end[chosen],
        "now": (day[chosen] + 1).astype(np.float32),
        "target": item[chosen],
        "user": user[chosen],
        "context": context(snapshot, np.arange(len(snapshot.users), dtype=np.int32), two_tower.user_buckets),
        "item_ids": snapshot.items.astype(np.str_),
        "category": content.category,
        "brand": content.brand,
        "band": content.band,
        "tokens": content.tokens,
        **_held_out(snapshot, user, item, day, said, held_out_days),
    }


def _held_out(
    snapshot: Snapshot, user: Ints, item: Ints, day: NDArray[np.int64], said: Floats, days: int
) -> dict[str, NDArray[Any]]:
    """Shoppers with a history before the held-out days and events in them: what a nightly list would be asked."""
    later = np.flatnonzero((day < days) & (said > 0))
    later = later[_first_of_each(user[later], np.zeros_like(later), item[later])]
    ptr = snapshot.user_ptr - (snapshot.user_ptr[0] if len(snapshot.user_ptr) else 0)
    before = np.bincount(user[day >= days], minlength=len(snapshot.users))
    later = later[before[user[later]] > 0]
    asked, counts = np.unique(user[later], return_counts=True)
    return {
        "held_user": asked.astype(np.int32),
        "held_begin": ptr[asked],
        "held_end": ptr[asked] + before[asked],
        "held_now": np.full(len(asked), days, np.float32),
        "held_targets": item[later],
        "held_ptr": np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
    }


def _first_of_day(user: Ints, day: NDArray[np.int64]) -> NDArray[np.int64]:
    """For events sorted by user and time: position of the first event of the same user and day."""
    if not len(user):
        return np.zeros(0, np.int64)
    starts = np.concatenate([[True], (user[1:] != user[:-1]) | (day[1:] != day[:-1])])
    return np.maximum.accumulate(np.where(starts, np.arange(len(user)), 0))


def _first_of_each(*columns: NDArray[Any]) -> NDArray[np.int64]:
    """Positions of the first row of each distinct combination, ascending."""
    if not len(columns[0]):
        return np.zeros(0, np.int64)
    order = np.lexsort(columns[::-1])
    new = np.zeros(len(order), np.bool_)
    new[0] = True
    for column in columns:
        new[1:] |= column[order][1:] != column[order][:-1]
    return np.sort(order[new])


def save(arrays: Mapping[str, NDArray[Any]], path: Path) -> None:
    """Write arrays so that a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".half.npz")
    np.savez(half, **arrays)  # type: ignore[arg-type]
    half.replace(path)
