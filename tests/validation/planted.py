"""Clean candidate rows, and ways to break them."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from lake.columns import Columns as C
from lake.tables import TABLES

DAY = "2026-11-23"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MORNING_AFTER = datetime(2026, 11, 24, 3, tzinfo=UTC)


def events(n: int = 40) -> list[dict[str, Any]]:
    kinds = ("view", "cart", "purchase", "view")
    return [
        {
            C.EVENT_ID: f"e{i:03}", C.USER_ID: f"u{i % 5}" if i % 4 else None, C.ITEM_ID: f"i{i % 7}",
            C.EVENT_TYPE: kinds[i % 4], C.VALUE: None, C.EVENT_TS: NOON, C.INGESTED_TS: MORNING_AFTER,
            C.INGESTED_ASSUMED: False, C.QUANTITY: 1.0, C.PRICE: 2.5, C.SESSION_ID: f"s{i % 9}", C.DEVICE: None,
            C.COUNTRY: "GB", C.SOURCE: "shop", C.DS: DAY,
        }
        for i in range(n)
    ]  # fmt: skip


def lists(users: int = 12, length: int = 5) -> list[dict[str, Any]]:
    owners = [("user", f"u{n:02}") for n in range(users)] + [("item", "i90"), ("segment", "all")]
    return [
        {
            C.SURFACE: "home", C.KIND: kind, C.OWNER: owner, C.RANK: rank, C.ITEM_ID: f"i{rank}",
            C.SCORE: 1.0 / rank, C.SOURCE: "popular", C.REASON: "popular", C.REASON_ITEM: None, C.BUNDLE: "1",
            C.DS: DAY,
        }
        for kind, owner in owners
        for rank in range(1, length + 1)
    ]  # fmt: skip


def table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    """Rows as an Arrow table with the table's types, NULL allowed anywhere."""
    schema = pa.schema([field.with_nullable(True) for field in TABLES[name].arrow_schema()])
    return pa.Table.from_pylist(rows, schema)


def changed(rows: list[dict[str, Any]], *places: int, **values: Any) -> list[dict[str, Any]]:
    """A copy with some columns of some rows set."""
    return [row | values if i in places else row for i, row in enumerate(rows)]
