"""What the shop sells, as the page shows it: titles, categories, prices, and how an item fared."""

from collections import Counter, OrderedDict
from typing import Any

from lake import storage
from lake.clock import DayRange, parse_day, shift
from lake.columns import EVENT_TYPES
from lake.columns import Columns as C
from lake.settings import Settings

SHOWN = (C.TITLE, C.CATEGORY, C.BRAND, C.PRICE, C.IN_STOCK)
CURVE_DAYS = 90
KEPT_DAYS = 3

Card = dict[str, Any]
"""item, title, category, brand, price, in_stock; None where unknown."""


class Goods:
    """The catalogue by day; the days used last stay in memory."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._days: OrderedDict[tuple[str, int | None], dict[str, Card]] = OrderedDict()

    def cards(self, ds: str | None = None) -> dict[str, Card]:
        """Item id -> card, as known on a day, or on the newest one before it; of the newest day by default."""
        known = [day for day in storage.days(self._settings, "items") if ds is None or day <= ds]
        if not known:
            return {}
        key = known[-1], storage.version(self._settings, "items")
        if key not in self._days:
            rows = storage.read(self._settings, "items", ds=key[0], columns=[C.ITEM_ID, *SHOWN]).to_pylist()
            self._days[key] = {row[C.ITEM_ID]: {"item": row.pop(C.ITEM_ID), **row} for row in rows}
            while len(self._days) > KEPT_DAYS:
                self._days.popitem(last=False)
        return self._days[key]

    def curve(self, item: str) -> list[dict[str, Any]]:
        """How the item fared on each of the last days, ascending: day, and events by type, anonymous ones included.

        Counted from the log, since features are made for the days that something needs.
        """
        known = storage.days(self._settings, "events")
        if not known:
            return []
        first = max(known[0], shift(parse_day(known[-1]), 1 - CURVE_DAYS).isoformat())
        wanted = [(C.ITEM_ID, "=", item)]
        events = storage.read(self._settings, "events", start=first, columns=[C.DS, C.EVENT_TYPE], filters=wanted)
        counts = Counter(zip(events[C.DS].to_pylist(), events[C.EVENT_TYPE].to_pylist(), strict=True))
        days = DayRange.parse(start=first, end=known[-1]).keys()
        return [{C.DS: ds, **{kind: counts[ds, kind] for kind in EVENT_TYPES}} for ds in days]

    def facts(self, item: str) -> dict[str, Any]:
        """The item's newest features, by name; empty where there are none."""
        days = storage.days(self._settings, "item_features")
        wanted = (C.count("view", 7), C.count("purchase", 7), C.count("purchase", 30), C.BUYERS, C.TREND, C.AGE_DAYS)
        filters = [(C.ITEM_ID, "=", item)]
        rows = storage.read(self._settings, "item_features", ds=days[-1:], columns=wanted, filters=filters).to_pylist()
        return dict(rows[0]) if rows else {}


def card(item: str, cards: dict[str, Card]) -> Card:
    """An item's card; one that the catalogue does not know has its id alone."""
    return cards.get(item) or {"item": item, **dict.fromkeys(SHOWN)}


def titles(cards: dict[str, Card]) -> dict[str, str]:
    """Item id -> title, of those that have one."""
    return {item: known[C.TITLE] for item, known in cards.items() if known[C.TITLE]}
