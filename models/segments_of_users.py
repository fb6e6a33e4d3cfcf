"""Groups of shoppers that a shop must not serve worse than others: country, activity, price, length of history."""

import numpy as np
import numpy.typing as npt

from models.interface import Ints
from models.snapshot import Snapshot

Labels = npt.NDArray[np.object_]

HOT_EVENTS = 20
"""Hot: a shopper or an item with at least this many events before the cut. Warm: with fewer. Cold: with none."""

FEWEST_USERS = 20
"""A smaller segment is reported as `other`, together with those like it."""

ITEM_CLASSES = ("hot", "warm", "cold")
ACTIVITY, PRICE = ("rare", "regular", "frequent"), ("low", "middle", "high")
ORDER = (*ITEM_CLASSES, *ACTIVITY, *PRICE)
"""In which segments are told; others by name."""

HISTORY = "history"
OTHER, UNKNOWN = "other", "unknown"


def segments(snapshot: Snapshot, rows: Ints) -> dict[str, Labels]:
    """Dimension -> label of each shopper; a dimension that the log says nothing about is left out.

    Activity and price are tertiles of these shoppers: active days, and the mean price of what they touched.

    Args:
        rows: `[users]` rows of known shoppers.
    """
    log = snapshot.events
    known = log.user >= 0
    user, day = log.user[known].astype(np.int64), log.age_days[known].astype(np.int64)
    shoppers = len(snapshot.users)
    days = np.bincount(np.unique(user << 20 | day) >> 20, minlength=shoppers)
    events = np.bincount(user, minlength=shoppers)
    price = log.price[known].astype(np.float64)
    told = np.isfinite(price)
    with np.errstate(invalid="ignore"):
        paid = np.bincount(user[told], price[told], shoppers) / np.bincount(user[told], minlength=shoppers)
    found = {
        HISTORY: np.where(events[rows] >= HOT_EVENTS, "hot", "warm").astype(object),
        "activity": _tertiles(days[rows].astype(np.float64), ACTIVITY),
    }
    if np.isfinite(paid[rows]).any():
        found["price"] = _tertiles(paid[rows], PRICE)
    names = np.array([*snapshot.countries, UNKNOWN], object)
    country = names[snapshot.country[rows]]
    if (country != UNKNOWN).any():
        found["country"] = country
    return found


def pooled(labels: Labels, shopper: npt.NDArray[np.int64] | None = None) -> dict[str, npt.NDArray[np.bool_]]:
    """Segment -> bool `[rows]`, in reading order; those of fewer than `FEWEST_USERS` shoppers together as `other`.

    Args:
        labels: `[rows]`.
        shopper: `[rows]` number of each row's shopper, where one may have several rows; a row each by default.
    """
    who = np.arange(len(labels)) if shopper is None else shopper
    here = {name: labels == name for name in sorted(set(labels), key=_place)}
    small = [name for name, rows in here.items() if len(set(who[rows].tolist())) < FEWEST_USERS]
    found = {name: rows for name, rows in here.items() if name not in small}
    return found | ({OTHER: np.isin(labels.astype(str), small)} if small else {})


def _place(name: str) -> tuple[int, str]:
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)


def item_classes(snapshot: Snapshot, items: npt.NDArray[np.int64]) -> Labels:
    """`hot`, `warm` or `cold` for each item; a number past the catalogue is an item unknown before the cut: cold."""
    events = np.bincount(snapshot.events.item, minlength=len(snapshot.items))
    seen = np.append(events, 0)[np.minimum(items, len(snapshot.items))]
    return np.where(seen >= HOT_EVENTS, "hot", np.where(seen > 0, "warm", "cold")).astype(object)


def _tertiles(values: npt.NDArray[np.float64], names: tuple[str, str, str]) -> Labels:
    """Thirds by value; equal values fall into the same third, so one may be missing."""
    known = np.isfinite(values)
    edges = np.quantile(values[known], [1 / 3, 2 / 3])
    third = np.searchsorted(edges, np.where(known, values, 0.0), side="left")
    return np.where(known, np.array(names, object)[third], UNKNOWN)
