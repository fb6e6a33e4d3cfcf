"""A lake of a few thousand events with a planted truth, written without Spark.

Every shopper has a taste, one of `GROUPS` groups of items, and touches nearly only items of it; from `drift_on` on,
everybody's taste is another group.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import write_deltalake

from lake import storage
from lake.clock import DayRange, day_end, day_start
from lake.settings import Settings
from lake.tables import TABLES

FIRST = date(2026, 10, 1)
GROUPS = 6
ITEMS_A_GROUP = 10
ITEMS = [f"i{number:02d}" for number in range(GROUPS * ITEMS_A_GROUP)]
SHOPPERS = [f"u{number:03d}" for number in range(90)]
EMPTY = {
    "string": "",
    "long": 0,
    "int": 0,
    "double": 0.0,
    "boolean": False,
    "timestamp": datetime(2026, 1, 1, tzinfo=UTC),
}


def group_of(item: str) -> int:
    return int(item[1:]) // ITEMS_A_GROUP


def taste(shopper: str, day: date, drift_on: date | None = None) -> int:
    return (int(shopper[1:]) + (1 if drift_on and day >= drift_on else 0)) % GROUPS


def write(settings: Settings, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append rows to any table; columns that are not given hold zero or, where allowed, NULL."""
    definition = TABLES[name]
    full = [
        {c.name: row.get(c.name, None if c.nullable else EMPTY[c.type]) for c in definition.columns} for row in rows
    ]
    data = pa.Table.from_pylist(full, schema=definition.arrow_schema())
    uri = storage.table_uri(settings, name)
    write_deltalake(uri, data, mode="append", partition_by=list(definition.partition_by))


def events(days: Iterable[date], drift_on: date | None = None, seed: int = 0) -> list[dict[str, Any]]:
    """Two thirds of the shoppers a day, two events each, nine of ten of them from the shopper's taste."""
    rng = np.random.default_rng(seed)
    weight = 1.0 / np.arange(1, ITEMS_A_GROUP + 1)
    rows: list[dict[str, Any]] = []
    for day in days:
        for shopper in SHOPPERS:
            if rng.random() > 2 / 3:
                continue
            for _ in range(2):
                group = taste(shopper, day, drift_on) if rng.random() < 0.9 else int(rng.integers(GROUPS))
                item = ITEMS[group * ITEMS_A_GROUP + int(rng.choice(ITEMS_A_GROUP, p=weight / weight.sum()))]
                rows.append(event(shopper, item, day, hour=float(rng.uniform(0, 24))))
    return rows


def event(shopper: str | None, item: str, day: date, hour: float = 12.0, **more: Any) -> dict[str, Any]:
    return {
        "event_id": f"{shopper}-{item}-{day}-{hour}",
        "user_id": shopper,
        "item_id": item,
        "event_type": "purchase",
        "event_ts": day_start(day) + timedelta(hours=hour),
        "ingested_ts": day_end(day) + timedelta(hours=1),
        "ds": day.isoformat(),
    } | more


def features(settings: Settings, as_of: Iterable[date]) -> None:
    """The partitions without which there is no snapshot: the catalogue and its (empty) counts."""
    days = list(as_of)
    write(
        settings,
        "items",
        [{"item_id": i, "ds": d.isoformat(), "first_seen_ts": day_start(FIRST)} for d in days for i in ITEMS],
    )
    write(settings, "item_features", [{"item_id": i, "ds": d.isoformat()} for d in days for i in ITEMS])


def build(settings: Settings, days: int, drift_on: date | None = None) -> DayRange:
    """Events of `days` days from `FIRST` on, with features as of each of them."""
    span = DayRange(FIRST, FIRST + timedelta(days=days - 1))
    write(settings, "events", events(span, drift_on))
    features(settings, span)
    return span


class TasteBundle:
    """Knows the tastes of its training day by heart; its scores are right until tastes change."""

    def __init__(self, trained_through: date, drift_on: date | None = None) -> None:
        self.trained_through = trained_through
        self.taste = {shopper: taste(shopper, trained_through, drift_on) for shopper in SHOPPERS}
        self.asked: list[date] = []
        self.manifest: dict[str, Any] = {}

    def score_pairs(self, snapshot: Any, users: Sequence[str], items: Sequence[str]) -> np.ndarray:
        self.asked.append(snapshot.as_of)
        pairs = zip(users, items, strict=True)
        return np.array([self.taste.get(u, 0) == group_of(i) for u, i in pairs], np.float32)

    def score(self, snapshot: Any, users: Sequence[str], *, candidates: int = 200, only_new: bool = False) -> Any:
        from models.interface import SOURCES, Ranked

        parts = []
        touched = snapshot.touched.toarray() > 0
        popularity = np.bincount(snapshot.events.item, minlength=len(snapshot.items))
        for number, user in enumerate(users):
            row = snapshot.rows_of([user])[0]
            score = np.array([group_of(item) == self.taste.get(user, 0) for item in snapshot.items], np.float32)
            score += popularity / (1 + popularity.max())
            kept = np.flatnonzero(~touched[row]) if only_new and row >= 0 else np.arange(len(score))
            order = kept[np.argsort(-score[kept], kind="stable")][:candidates].astype(np.int32)
            blank = np.zeros((len(order), len(SOURCES)), np.int16)
            owner = np.full(len(order), number, np.int32)
            unknown = np.full(len(order), np.nan, np.float32)
            parts.append(Ranked(owner, order, score[order], np.zeros(len(order), np.int8), blank, unknown))
        return Ranked.concatenate(parts)
