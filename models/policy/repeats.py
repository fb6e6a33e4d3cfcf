"""No item twice, and what was just bought is not offered again - unless people do buy it again."""

import numpy as np
from numpy.typing import NDArray

from lake.columns import EVENT_TYPES
from models.interface import Ints
from models.policy.pairs import Pairs
from models.snapshot import Events

PRIOR_BUYERS = 10.0
"""Buyers at which an item's own repurchase rate and the log's weigh the same."""

GAPS = 5
"""Shoppers who bought an item twice from which its own gap between purchases counts."""

EVIDENCE = 30
"""Buyers with time to come back, over all items, below which nothing is known about repurchases."""


def first_of_pair(user: Ints, item: Ints) -> NDArray[np.bool_]:
    """Which entries are the first of their (user, item) pair, in the order given."""
    mask = np.zeros(len(user), np.bool_)
    if len(user):
        key = user.astype(np.int64) * (int(item.max()) + 1) + item
        mask[np.unique(key, return_index=True)[1]] = True
    return mask


def repurchase_rate(events: Events, items: int, days: int) -> NDArray[np.float64]:
    """Share of an item's buyers who bought it again on a later day, `[items]`, pulled to the log's rate.

    Only buyers count whose first purchase lies at least `days` back: the others had no time to come back. Where the
    log is too short or too thin to know (fewer than `EVIDENCE` such buyers in all), everything counts as bought again.
    """
    user, item, day = _purchases(events)
    pair, at = np.unique(user.astype(np.int64) * items + item, return_inverse=True)
    first, last = np.full(len(pair), -1, np.int64), np.full(len(pair), np.iinfo(np.int64).max)
    np.maximum.at(first, at, day)
    np.minimum.at(last, at, day)
    seasoned = first >= days
    of_item = (pair % items)[seasoned]
    again = (first > last)[seasoned].astype(np.float64)
    buyers = np.bincount(of_item, minlength=items)
    came_back = np.bincount(of_item, again, minlength=items)
    if buyers.sum() < EVIDENCE:
        return np.ones(items)
    of_log = came_back.sum() / buyers.sum()
    return (came_back + PRIOR_BUYERS * of_log) / (buyers + PRIOR_BUYERS)


def usual_gap(events: Events, items: int) -> NDArray[np.float64]:
    """Median days between a shopper's purchases of an item, `[items]`; 0 where the log shows no item bought twice.

    An item that fewer than `GAPS` shoppers bought on two days has the log's median.
    """
    user, item, day = _purchases(events)
    visit = np.unique(np.stack([user.astype(np.int64) * items + item, day]), axis=1)
    pair, start, visits = np.unique(visit[0], return_index=True, return_counts=True)
    again = visits >= 2
    if not again.any():
        return np.zeros(items)
    first, last = visit[1][start + visits - 1][again], visit[1][start][again]
    gap, of_item = (first - last) / (visits[again] - 1), (pair % items)[again]
    order = np.lexsort((gap, of_item))
    count = np.bincount(of_item, minlength=items)
    usual = np.full(items, float(np.median(gap)))
    known = count >= GAPS
    usual[known] = gap[order][(np.cumsum(count) - count + count // 2)[known]]
    return usual


def recently_bought(events: Events, items: int, days: int, rate: float, due_share: float = 0.0) -> Pairs:
    """Pairs to hide.

    Args:
        days, rate: hide what was bought within `days`, of items whose repurchase rate stays under `rate`.
        due_share: and hide every item until this share of its usual gap has passed since its last purchase.
    """
    user, item, day = _purchases(events)
    hidden = (day < days) & (repurchase_rate(events, items, days)[item] < rate)
    if due_share:
        hidden |= day < due_share * usual_gap(events, items)[item]
    return Pairs.of(user[hidden], item[hidden], items)


def _purchases(events: Events) -> tuple[Ints, Ints, NDArray[np.int64]]:
    """User, item and age in whole days of the purchases of known shoppers."""
    bought = (events.kind == EVENT_TYPES.index("purchase")) & (events.user >= 0)
    return events.user[bought], events.item[bought], np.floor(events.age_days[bought]).astype(np.int64)
