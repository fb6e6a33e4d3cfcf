"""Who shops here: found by id, by chance or by kind, and what each did."""

import random
from typing import Any

import duckdb
import pyarrow as pa

from lake import storage
from lake.clock import parse_day, shift
from lake.columns import EVENT_TYPES
from lake.columns import Columns as C
from lake.settings import Settings

HISTORY_ROWS = 120
FOUND = 12
OF_A_KIND = 3

EVENTS = " + ".join(C.count(kind, 90) for kind in EVENT_TYPES)
KINDS = {
    "heavy": ("Take a lot", f"{EVENTS} DESC"),
    "loyal": ("Come often", "active_days DESC, days_since_last"),
    "new": ("New here", "days_since_first, days_since_last"),
    "away": ("Long away", "days_since_last DESC"),
}
"""Kind of shopper -> what the page calls it, and the order of `user_features` that puts its like first."""


class Shoppers:
    """Shoppers by the lake's id: the shop's, or a pseudonym where those are on."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def search(self, text: str) -> list[dict[str, Any]]:
        """Shoppers whose id holds the text, those that begin with it first."""
        begins = f"starts_with(lower({C.USER_ID}), lower($text))"
        order = f"NOT {begins}, length({C.USER_ID}), {C.USER_ID}"
        return self._ordered(order, f"contains(lower({C.USER_ID}), lower($text))", FOUND, text=text)

    def find(self, user: str) -> dict[str, Any] | None:
        """What is known of one shopper; None of a stranger."""
        found = self._ordered(C.USER_ID, f"{C.USER_ID} = $text", 1, text=user)
        return found[0] if found else None

    def surprise(self) -> dict[str, Any] | None:
        """Any shopper."""
        features = self._features()
        if features is None or not len(features):
            return None
        return self.find(features[C.USER_ID][random.randrange(len(features))].as_py())

    def interesting(self) -> list[dict[str, Any]]:
        """A few shoppers of each kind."""
        return [
            {"kind": kind, "title": title, "shoppers": self._ordered(f"{order}, {C.USER_ID}", "true", OF_A_KIND)}
            for kind, (title, order) in KINDS.items()
        ]

    def history(self, user: str) -> dict[str, Any]:
        """What a shopper did, newest first.

        Returns:
            `rows`: day, item, type, times (that day), quantity, price and value; at most `HISTORY_ROWS`. `items`: item
            id -> times by type over all of it. `events`, `days`: how many in all.
        """
        days = storage.days(self._settings, "events")
        columns = [C.DS, C.ITEM_ID, C.EVENT_TYPE, C.EVENT_TS, C.QUANTITY, C.PRICE, C.VALUE]
        first = shift(parse_day(days[-1]), 1 - self._settings.history_days).isoformat() if days else None
        filters = [(C.USER_ID, "=", user)]
        events = storage.read(self._settings, "events", start=first, columns=columns, filters=filters)
        with duckdb.connect() as sql:
            sql.register("events", events)
            rows = sql.sql(
                "SELECT ds AS day, item_id AS item, event_type AS type, count(*) AS times, sum(quantity) AS quantity, "
                "arg_max(price, event_ts) AS price, arg_max(value, event_ts) AS value FROM events "
                f"GROUP BY ALL ORDER BY day DESC, max(event_ts) DESC, item LIMIT {HISTORY_ROWS}"
            ).to_arrow_table()
        times: dict[str, dict[str, int]] = {}
        for item, kind in zip(events[C.ITEM_ID].to_pylist(), events[C.EVENT_TYPE].to_pylist(), strict=True):
            of_item = times.setdefault(item, {})
            of_item[kind] = of_item.get(kind, 0) + 1
        active = len(set(events[C.DS].to_pylist()))
        return {"rows": rows.to_pylist(), "items": times, "events": len(events), "days": active}

    def latest(self, user: str) -> str | None:
        """The item that the shopper touched last."""
        rows = self.history(user)["rows"]
        return str(rows[0]["item"]) if rows else None

    def _features(self) -> pa.Table | None:
        days = storage.days(self._settings, "user_features")
        if not days:
            return None
        counts = [C.count(kind, 90) for kind in EVENT_TYPES]
        columns = [C.USER_ID, *counts, C.ACTIVE_DAYS, C.DAYS_SINCE_LAST, C.DAYS_SINCE_FIRST, C.COUNTRY, C.DEVICE]
        return storage.read(self._settings, "user_features", ds=days[-1], columns=columns)

    def _ordered(self, order: str, condition: str, limit: int, **values: str) -> list[dict[str, Any]]:
        features = self._features()
        if features is None:
            return []
        with duckdb.connect() as sql:
            sql.register("features", features)
            found = sql.sql(
                f"SELECT {C.USER_ID} AS user, {EVENTS} AS events, active_days, days_since_last, days_since_first, "
                f"country, device FROM features WHERE {condition} ORDER BY {order} LIMIT {limit}",
                params=values,
            )
            return list(found.to_arrow_table().to_pylist())
