"""What counts as success: the items a shopper touched."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date

import pyarrow.compute as pc

from lake import mapping, storage
from lake.columns import Columns as C
from lake.settings import Settings
from models.config import EventWeights


def touched(settings: Settings, first: date, last: date) -> dict[str, set[str]]:
    """Distinct items that each known shopper viewed, put into the cart, bought, or rated as liked.

    Args:
        first, last: UTC days of the events, both included. Late events count: a label is what happened.

    Returns:
        user id -> item ids, shoppers ascending; shoppers without such an event are absent.
    """
    return {user: set(items) for user, items in gains(settings, first, last, EventWeights()).items()}


def gains(settings: Settings, first: date, last: date, weights: EventWeights) -> dict[str, dict[str, float]]:
    """As `touched`, each item with the weight of the most committed thing that the shopper did with it."""
    columns = (C.USER_ID, C.ITEM_ID, C.EVENT_TYPE, C.VALUE)
    rows = storage.read(settings, "events", start=first.isoformat(), end=last.isoformat(), columns=columns)
    rows = rows.filter(pc.is_valid(rows[C.USER_ID]))
    rated = pc.equal(rows[C.EVENT_TYPE], "rating")
    if pc.any(rated).as_py():
        rating = mapping.load(settings.source).events.rating
        liked = pc.greater_equal(rows[C.VALUE], rating.positive_from) if rating else pc.invert(rated)
        rows = rows.filter(pc.fill_null(pc.or_kleene(pc.invert(rated), liked), False))
    distinct = rows.select(list(columns[:3])).group_by(list(columns[:3])).aggregate([]).sort_by(C.USER_ID)
    said: Mapping[str, float] = weights.model_dump()
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for user, item, kind in zip(*(distinct[name].to_pylist() for name in columns[:3]), strict=True):
        found[user][item] = max(found[user].get(item, 0.0), said[kind])
    return dict(found)
