"""A small log whose features can be worked out by hand, and the frames to try builders on."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from jobs.spark import schema
from lake.columns import Columns as C
from lake.settings import Settings
from lake.tables import TABLES

DAY = date(2026, 11, 20)
NEXT = date(2026, 11, 21)

SOURCE = """
name: planted
deliveries: {format: csv, pattern: "{ds}.csv"}
events:
  columns: {user_id: user, item_id: item, event_ts: time}
  event_type: purchase
"""


def at(days_ago: int, clock: str = "12:00") -> datetime:
    """An instant before the as-of day's end, UTC."""
    hour, minute = map(int, clock.split(":"))
    start = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
    return start - timedelta(days=days_ago) + timedelta(hours=hour, minutes=minute)


def event(user: str | None, item: str, kind: str, when: datetime, **more: Any) -> dict[str, Any]:
    """One row of `events`, delivered six hours after its day unless `ingested_ts` says otherwise."""
    end = when.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    row = dict.fromkeys(TABLES["events"].column_names)
    row |= {C.USER_ID: user, C.ITEM_ID: item, C.EVENT_TYPE: kind, C.EVENT_TS: when, C.SOURCE: "planted"}
    row |= {C.INGESTED_TS: end + timedelta(hours=6), C.INGESTED_ASSUMED: True, C.DS: when.date().isoformat()}
    row[C.EVENT_ID] = f"{user}-{item}-{kind}-{when.isoformat()}-{more.get(C.SESSION_ID)}"
    return row | more


def alice() -> list[dict[str, Any]]:
    """A shopper at every edge of every window."""
    first = {C.SESSION_ID: "s1", C.COUNTRY: "GB", C.DEVICE: "mobile"}
    return [
        event("alice", "A", "view", at(0, "10:00"), **first),
        event("alice", "B", "view", at(0, "10:02"), **first),
        event("alice", "A", "cart", at(0, "10:05"), **first),
        event("alice", "A", "purchase", at(0, "10:10"), quantity=2.0, price=10.0, **first),
        event("alice", "B", "purchase", at(3), quantity=1.0, price=5.25, session_id="s2", country="FR"),
        event("alice", "C", "view", at(6, "00:00")),
        event("alice", "C", "view", at(7, "23:59")),
        event("alice", "A", "view", at(29, "00:00")),
        event("alice", "A", "view", at(30, "23:59")),
        event("alice", "A", "view", at(89, "00:00")),
        event("alice", "A", "purchase", at(90, "23:59"), quantity=1.0, price=1000.0),
    ]


def others() -> list[dict[str, Any]]:
    """Another shopper, anonymous visitors, shoppers at the edge of the look-back, a bot and a wholesaler's basket."""
    rows = [
        event("bob", "A", "purchase", at(1, "09:00"), quantity=1.0, price=10.0, session_id="t1", country="FR"),
        event("bob", "B", "purchase", at(1, "09:00"), session_id="t1", country="FR"),
        event("bob", "A", "rating", at(1, "20:00"), value=5.0, device="desktop"),
        event(None, "A", "view", at(0, "11:00"), session_id="anon"),
        event(None, "C", "view", at(0, "11:01"), session_id="anon"),
        event(None, "C", "view", at(0, "13:00")),
        event("old", "C", "purchase", at(364, "00:00"), price=3.0, quantity=1.0),
        event("older", "C", "purchase", at(365, "23:59"), price=3.0, quantity=1.0),
        event("tardy", "A", "purchase", at(1), ingested_ts=at(-1, "06:01"), price=1.0, quantity=1.0),
        event("prompt", "A", "purchase", at(1), ingested_ts=at(-1, "06:00"), price=1.0, quantity=1.0),
        event("future", "A", "purchase", at(-1, "00:00"), ingested_ts=at(0, "09:00"), price=1.0, quantity=1.0),
    ]
    rows += [event("crawler", "Z", "view", at(2) + timedelta(seconds=i), session_id="crawl") for i in range(1100)]
    rows += [event("crawler", item, "view", at(2, "14:00"), session_id="crawl") for item in ("A", "C")]
    rows += [
        event(
            "whale", f"W{i:03d}", "purchase", at(5) + timedelta(seconds=i), session_id="pallet", price=1.0, quantity=1.0
        )
        for i in range(120)
    ]
    return rows


def events_frame(spark: SparkSession, rows: list[dict[str, Any]]) -> DataFrame:
    """Rows as the table's Spark frame."""
    names = TABLES["events"].column_names
    return spark.createDataFrame([tuple(row[name] for name in names) for row in rows], schema(TABLES["events"]))


def write(settings: Settings, table: str, frame: DataFrame, days: list[str] | None = None) -> None:
    """Put rows into the lake as their job would, in as many partitions as they name."""
    from jobs.partitions import replace_days

    keys = days or sorted(row[C.DS] for row in frame.select(C.DS).distinct().collect())
    replace_days(settings, table, frame, keys, "test")


def settings_on(folder: Path) -> Settings:
    """Settings on a folder, with a source that delivers no catalogue."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "source.yaml").write_text(SOURCE)
    jars = Path(__file__).resolve().parents[2] / ".jars"
    return Settings(var=folder, source=folder / "source.yaml", pseudonymise=False, jars=jars)
