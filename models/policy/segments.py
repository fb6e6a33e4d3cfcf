"""Fallback lists: what is popular everywhere, in a country, on a device."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lake.columns import EVENT_TYPES
from models.interface import Ints
from models.snapshot import Snapshot
from storefront.contract import EVERYBODY, segment

HALF_LIFE_DAYS = 14.0
WEIGHTS = {"view": 1.0, "cart": 2.0, "purchase": 4.0, "rating": 1.0}
PRIOR_SHARE = 0.2
"""Weight of everybody's taste in a segment's, so that its list is full and not made of chance."""

MAX_SEGMENTS = 64
"""The largest of a dimension that get a list."""


@dataclass(frozen=True)
class SegmentList:
    """`items` best first with their `score`; those that nobody touched are left out."""

    name: str
    items: Ints
    score: NDArray[np.float64]


def popularity(snapshot: Snapshot, among: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Decayed, weighted events an item, `[items]`, as a share; of all events, anonymous ones included, or of some."""
    events = snapshot.events
    weight = np.array([WEIGHTS[kind] for kind in EVENT_TYPES])[events.kind]
    weight = weight * np.exp2(-np.maximum(events.age_days, 0) / HALF_LIFE_DAYS)
    if among is not None:
        weight = np.where(among, weight, 0.0)
    counted = np.bincount(events.item, weight, minlength=len(snapshot.items))
    return counted / max(float(counted.sum()), 1e-12)


def by_popularity(shares: NDArray[np.float64], allowed: NDArray[np.bool_]) -> Ints:
    """Items that somebody touched and that are allowed, most popular first; equal ones by position."""
    found = np.flatnonzero((shares > 0) & allowed)
    return found[np.argsort(-shares[found], kind="stable")].astype(np.int32)


def segment_lists(
    snapshot: Snapshot, dimensions: Sequence[str], allowed: NDArray[np.bool_], k: int, min_shoppers: int
) -> list[SegmentList]:
    """Lists of the segments with enough shoppers, in the order of the fallback, `all` last.

    Args:
        dimensions: of `country`, `device`, in the order of the fallback.
        allowed: `[items]`, for example what is in stock.
    """
    everybody = popularity(snapshot)
    lists = []
    for dimension in dimensions:
        codes, names = {
            "country": (snapshot.country, snapshot.countries),
            "device": (snapshot.device, snapshot.devices),
        }[dimension]
        shoppers = np.bincount(codes[codes >= 0], minlength=len(names))
        largest = np.argsort(-shoppers, kind="stable")[:MAX_SEGMENTS]
        for code in np.sort(largest[shoppers[largest] >= min_shoppers]):
            of_user = np.append(codes == code, False)  # the last answers for anonymous events, user -1
            here = popularity(snapshot, of_user[snapshot.events.user])
            if here.any() and names[code]:
                shares = (1 - PRIOR_SHARE) * here + PRIOR_SHARE * everybody
                lists.append(_cut(segment(dimension, names[code]), shares, allowed, k))
    return [*lists, _cut(EVERYBODY, everybody, allowed, k)]


def _cut(name: str, shares: NDArray[np.float64], allowed: NDArray[np.bool_], k: int) -> SegmentList:
    items = by_popularity(shares, allowed)[:k]
    return SegmentList(name, items, shares[items])
