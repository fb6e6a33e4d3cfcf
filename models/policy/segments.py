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
SHUFFLES = 10
"""How often shoppers are dealt out to segments at random, to learn how much chance alone sets segments apart."""

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
    events, weight = snapshot.events, event_weight(snapshot)
    if among is not None:
        weight = np.where(among, weight, 0.0)
    counted = np.bincount(events.item, weight, minlength=len(snapshot.items))
    return counted / max(float(counted.sum()), 1e-12)


def event_weight(snapshot: Snapshot) -> NDArray[np.float64]:
    """What each event counts, `[events]`: by its type, decayed by its age."""
    weight = np.array([WEIGHTS[kind] for kind in EVENT_TYPES])[snapshot.events.kind]
    decayed: NDArray[np.float64] = weight * np.exp2(-np.maximum(snapshot.events.age_days, 0) / HALF_LIFE_DAYS)
    return decayed


def by_popularity(shares: NDArray[np.float64], allowed: NDArray[np.bool_]) -> Ints:
    """Items that somebody touched and that are allowed, most popular first; equal ones by position."""
    found = np.flatnonzero((shares > 0) & allowed)
    return found[np.argsort(-shares[found], kind="stable")].astype(np.int32)


def segment_lists(
    snapshot: Snapshot, dimensions: Sequence[str], allowed: NDArray[np.bool_], k: int, min_shoppers: int
) -> list[SegmentList]:
    """Lists of the segments with enough shoppers, in the order of the fallback, `all` last.

    A segment's list blends its own taste with everybody's, by how much of it is more than chance: see `own_taste`.

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
        kept = np.sort(largest[shoppers[largest] >= min_shoppers])
        place = np.full(len(names) + 1, -1, np.int32)  # the last answers for shoppers of no segment, code -1
        place[kept] = np.arange(len(kept))
        own = own_taste(snapshot, place[codes], len(kept))
        for code, weight in zip(kept, own, strict=True):
            of_user = np.append(codes == code, False)  # the last answers for anonymous events, user -1
            here = popularity(snapshot, of_user[snapshot.events.user])
            if here.any() and names[code]:
                shares = weight * here + (1 - weight) * everybody
                lists.append(_cut(segment(dimension, names[code]), shares, allowed, k))
    return [*lists, _cut(EVERYBODY, everybody, allowed, k)]


def own_taste(snapshot: Snapshot, codes: Ints, size: int, seed: int = 0) -> NDArray[np.float64]:
    """How much of what sets segments apart is theirs and not chance, `[size]`, 0 to 1.

    The distance of a segment's shares from everybody's (chi-squared) is held against that of groups of the same sizes
    with shoppers dealt out at random: the rest is signal, and its part of the whole is the weight that makes the
    blend's error least (James and Stein, 1961).

    Args:
        codes: segment of each shopper, -1 where unknown.
    """
    log, items, known = snapshot.events, len(snapshot.items), np.flatnonzero(codes >= 0)
    weight = event_weight(snapshot)
    rng = np.random.default_rng(seed)

    def distance(of_user: Ints) -> NDArray[np.float64]:
        code = np.append(of_user, -1)[log.user]  # the last answers for anonymous events, user -1
        told = code >= 0
        cells = code[told].astype(np.int64) * items + log.item[told]
        counted = np.bincount(cells, weight[told], size * items).reshape(size, items)
        share = counted / np.maximum(counted.sum(axis=1, keepdims=True), 1e-12)
        whole = counted.sum(axis=0) / max(float(counted.sum()), 1e-12)
        apart: NDArray[np.float64] = ((share - whole) ** 2 / np.maximum(whole, 1e-12)).sum(axis=1)
        return apart

    found, chance = distance(codes), np.zeros(size)
    for _ in range(SHUFFLES):
        dealt = codes.copy()
        dealt[known] = rng.permutation(codes[known])
        chance += distance(dealt) / SHUFFLES
    return np.where(found > chance, 1.0 - chance / np.maximum(found, 1e-12), 0.0)


def _cut(name: str, shares: NDArray[np.float64], allowed: NDArray[np.bool_], k: int) -> SegmentList:
    items = by_popularity(shares, allowed)[:k]
    return SegmentList(name, items, shares[items])
