"""What counts as success: the items a shopper touched."""

from collections import defaultdict
from datetime import date

import pyarrow.compute as pc

from lake import mapping, storage
from lake.columns import Columns as C
from lake.settings import Settings


def touched(settings: Settings, first: date, last: date) -> dict[str, set[str]]:
    """Distinct items that each known shopper viewed, put into the cart, bought, or rated as liked.

    Args:
        first, last: UTC days of the events, both included. Late events count: a label is what happened.

    Returns:
        user id -> item ids, shoppers ascending; shoppers without such an event are absent.
    """
    columns = (C.USER_ID, C.ITEM_ID, C.EVENT_TYPE, C.VALUE)
    rows = storage.read(settings, "events", start=first.isoformat(), end=last.isoformat(), columns=columns)
    rows = rows.filter(pc.is_valid(rows[C.USER_ID]))
    rated = pc.equal(rows[C.EVENT_TYPE], "rating")
    if pc.any(rated).as_py():
        rating = mapping.load(settings.source).events.rating
        liked = pc.greater_equal(rows[C.VALUE], rating.positive_from) if rating else pc.invert(rated)
        rows = rows.filter(pc.fill_null(pc.or_kleene(pc.invert(rated), liked), False))
    pairs = rows.select([C.USER_ID, C.ITEM_ID]).group_by([C.USER_ID, C.ITEM_ID]).aggregate([])
    found: dict[str, set[str]] = defaultdict(set)
    for user, item in sorted(zip(pairs[C.USER_ID].to_pylist(), pairs[C.ITEM_ID].to_pylist(), strict=True)):
        found[user].add(item)
    return dict(found)
