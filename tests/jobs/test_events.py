"""Cleaning: one messy shop, every bad row in the quarantine with its reason, every good one in its day."""

import gzip
import hashlib
import hmac
import unicodedata
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobs import events, land
from lake import mapping, storage
from lake.clock import DayRange
from lake.errors import BadInput, GateFailed
from lake.settings import Settings
from validation.gate import gate

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.integration

SOURCE = """
name: messy
deliveries: {format: csv, pattern: "{ds}.csv.gz", missing_day: normal, time_zone: UTC, delay: 2h}
events:
  filter: note IS NULL OR note != 'test order'
  columns:
    user_id: who
    item_id: what
    event_type: kind
    event_ts: try_to_timestamp(at)
    price: price
    quantity: pieces
    session_id: basket
  event_types: {view: view, buy: purchase}
items: {from: events, columns: {title: name}}
"""
HEADER = "who,what,kind,at,price,pieces,basket,name,note"
COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"

DAY_1 = [
    "u1,i1,view,2026-03-01 09:00:00,1.50,,b1,Lamp,",
    "u1,i1,buy,2026-03-01 09:05:00,1.50,2,b1,Lamp,",
    "u1,i1,buy,2026-03-01 09:05:00,1.50,2,b1,Lamp,",  # bought twice: two equal lines are two events
    ",i2,view,2026-03-01 10:00:00,3,,b2,Chair,",
    "  u2 ,\u00a0i2,view,2026-03-01 10:00:00,3,,b3,Chair,",
    f"{COMPOSED},i1,view,2026-03-01 11:00:00,1.5,,b4,Lamp,",
    f"{DECOMPOSED},i1,view,2026-03-01 11:30:00,1.5,,b4,Lamp,",
    "u3,i3,buy,2026-03-01 12:00:00,9,1,b5,Desk,test order",
]
BROKEN = {
    "u4,i1,wish,2026-03-01 09:00:00,1.5,,b6,Lamp,": "event_type: unknown wish",
    "u4,i1,buy,2026-03-01 09:00:00,-1.5,1,b6,Lamp,": "price: negative",
    "u4,i1,buy,2026-03-01 09:00:00,cheap,1,b6,Lamp,": "price: not a number",
    "u4,i1,buy,2026-03-01 09:00:00,1,many,b6,Lamp,": "quantity: not a number",
    "u4,i1,buy,yesterday,1,1,b6,Lamp,": "event_ts: cannot be read",
    "u4,i1,buy,2031-03-01 09:00:00,1,1,b6,Lamp,": "event_ts: after the day of the delivery",
    "u4,i1,buy,2026-02-20 09:00:00,1,1,b6,Lamp,": "event_ts: more than 3 days before the delivery",
    "u4,,buy,2026-03-01 09:00:00,1,1,b6,Lamp,": "item_id: missing",
    f"{'u' * 10_000},i1,buy,2026-03-01 09:00:00,1,1,b6,Lamp,": "user_id: longer than 256 bytes",
}
LATIN_1 = "M\u00fcller,i1,buy,2026-03-01 09:00:00,1,1,b6,Lamp,".encode("latin-1")
DAY_2 = [
    "u5,i9,buy,2026-03-02 08:00:00,4,1,b7,Never in a catalogue,",
    "u6,i1,buy,2026-02-28 23:00:00,1.4,1,b8,Lamp,",  # two days late
    "u1,i1,view,2026-03-01 09:00:00,1.50,,b1,Lamp,",  # sent again: the same event
]


@pytest.fixture
def messy(tmp_path: Path) -> Settings:
    (tmp_path / "messy.yaml").write_text(SOURCE)
    (tmp_path / "in").mkdir()
    return Settings(var=tmp_path / "var", source=tmp_path / "messy.yaml", data=str(tmp_path / "in"), pseudonymise=False)


def deliver(settings: Settings, ds: str, lines: list[str], header: str = HEADER, extra: bytes = b"") -> None:
    text = "\n".join([header, *lines]).encode() + b"\n" + extra
    (Path(settings.data) / f"{ds}.csv.gz").write_bytes(gzip.compress(text, mtime=0))


def build(settings: Settings, spark: "SparkSession", start: str, end: str) -> dict[str, Any]:
    days = DayRange.parse(start=start, end=end)
    land.run(settings, days)
    return dict(events.run(settings, days, spark))


def rows(settings: Settings, name: str = "events", **where: Any) -> list[dict[str, Any]]:
    return storage.read(settings, name, **where).to_pylist()


def test_two_days_of_a_messy_shop(messy: Settings, spark: "SparkSession", told: Any) -> None:
    deliver(messy, "2026-03-01", [*DAY_1, *BROKEN], extra=LATIN_1 + b"\n")
    deliver(messy, "2026-03-02", DAY_2)
    result = build(messy, spark, "2026-03-01", "2026-03-02")

    refused = rows(messy, "quarantine")
    assert Counter(row["reason"] for row in refused) == Counter([*BROKEN.values(), "user_id: not UTF-8"])
    assert {row["ds"] for row in refused} == {"2026-03-01"}
    assert any("wish" in row["row"] and "Lamp" in row["row"] for row in refused), "the row is kept as delivered"

    good = rows(messy)
    assert result["rows"] == len(good) == 9
    assert Counter(row["ds"] for row in good) == {"2026-02-28": 1, "2026-03-01": 7, "2026-03-02": 1}
    assert [row["user_id"] for row in good if row["item_id"] == "i2"].count(None) == 1, "anonymous stays anonymous"
    assert {row["user_id"] for row in good} == {"u1", "u2", "u5", "u6", unicodedata.normalize("NFC", COMPOSED), None}
    assert sum(row["event_type"] == "purchase" and row["user_id"] == "u1" for row in good) == 2
    assert len({row["event_id"] for row in good}) == len(good)
    (late,) = [row for row in good if row["user_id"] == "u6"]
    assert late["ingested_ts"].isoformat() == "2026-03-03T02:00:00+00:00", "known when its delivery came, not before"
    assert {row["item_id"] for row in rows(messy, "item_sightings", ds="2026-03-02")} == {"i9"}

    delivered = len(DAY_1) - 1 + len(BROKEN) + 1 + len(DAY_2)  # the test order is no event
    read, refused_rows, written = (told(f"nightshelf_events_{n}_rows")[()] for n in ("read", "quarantined", "written"))
    assert (read, refused_rows, written) == (delivered, len(BROKEN) + 1, 9)
    reasons = {label: rows for (label,), rows in told("nightshelf_events_quarantined_by_reason_rows").items()}
    assert reasons == {r.removesuffix(" wish"): 1 for r in BROKEN.values()} | {"user_id: not UTF-8": 1}
    assert told("nightshelf_land_files") == {("new",): 2, ("unchanged",): 0, ("missing",): 0}
    end = datetime(2026, 3, 3, tzinfo=UTC).timestamp()
    assert told("nightshelf_table_data_through_timestamp_seconds")[("events",)] >= end


def test_a_rerun_changes_nothing_and_chunks_do_not_matter(messy: Settings, spark: "SparkSession") -> None:
    deliver(messy, "2026-03-01", DAY_1)
    deliver(messy, "2026-03-02", DAY_2)
    build(messy, spark, "2026-03-01", "2026-03-02")
    version = storage.version(messy, "events")
    build(messy, spark, "2026-03-01", "2026-03-02")
    build(messy, spark, "2026-03-01", "2026-03-01")
    build(messy, spark, "2026-03-02", "2026-03-02")
    assert storage.version(messy, "events") == version


def test_a_corrected_delivery_replaces_its_rows_only(messy: Settings, spark: "SparkSession") -> None:
    deliver(messy, "2026-03-01", DAY_1)
    deliver(messy, "2026-03-02", DAY_2)
    build(messy, spark, "2026-03-01", "2026-03-02")
    deliver(messy, "2026-03-02", ["u5,i9,buy,2026-03-02 08:00:00,5,1,b7,Corrected,"])
    build(messy, spark, "2026-03-02", "2026-03-02")
    assert [row["price"] for row in rows(messy, ds="2026-03-02")] == [5.0]
    assert rows(messy, ds="2026-02-28") == []
    assert len(rows(messy, ds="2026-03-01")) == 7


def test_a_delivery_sent_again_under_the_next_day_adds_nothing(messy: Settings, spark: "SparkSession") -> None:
    deliver(messy, "2026-03-01", DAY_1)
    deliver(messy, "2026-03-02", DAY_1)
    build(messy, spark, "2026-03-01", "2026-03-02")
    assert len(rows(messy)) == 7


def test_an_empty_day_is_an_answer(messy: Settings, spark: "SparkSession") -> None:
    deliver(messy, "2026-03-01", [])
    result = build(messy, spark, "2026-03-01", "2026-03-02")
    assert (result["rows"], result["quarantined"]) == (0, 0)
    assert rows(messy, "partitions", filters=[("table", "=", "events")])


def test_columns_may_move_and_come_between_days(messy: Settings, spark: "SparkSession") -> None:
    deliver(messy, "2026-03-01", DAY_1[:1])
    header = "colour," + ",".join(reversed(HEADER.split(",")))
    deliver(messy, "2026-03-02", ["red,," + ",".join(reversed(DAY_2[0].split(",")[:-1]))], header)
    build(messy, spark, "2026-03-01", "2026-03-02")
    assert {(row["ds"], row["item_id"]) for row in rows(messy)} == {("2026-03-01", "i1"), ("2026-03-02", "i9")}


def test_local_days_become_utc_days(messy: Settings, spark: "SparkSession") -> None:
    messy.source.write_text(SOURCE.replace("time_zone: UTC", "time_zone: Asia/Tokyo"))
    deliver(messy, "2026-03-02", ["u1,i1,buy,2026-03-02 01:00:00,4,1,b7,Lamp,", DAY_2[0]])
    build(messy, spark, "2026-03-02", "2026-03-02")
    stamps = [row["event_ts"].isoformat() for row in rows(messy, ds="2026-03-01")]
    assert sorted(stamps) == ["2026-03-01T16:00:00+00:00", "2026-03-01T23:00:00+00:00"]
    assert rows(messy, ds="2026-03-02") == []


def test_pseudonyms_are_hmac_sha256(messy: Settings, spark: "SparkSession") -> None:
    key = "a key of the shop, 16+"
    settings = messy.model_copy(update={"pseudonymise": True, "user_key": type(messy.user_key)(key)})
    deliver(settings, "2026-03-01", DAY_1)
    build(settings, spark, "2026-03-01", "2026-03-01")
    expected = hmac.new(key.encode(), unicodedata.normalize("NFC", DECOMPOSED).encode(), hashlib.sha256).hexdigest()
    users = Counter(row["user_id"] for row in rows(settings))
    assert users[expected] == 2
    assert users[None] == 1
    assert all(user is None or len(user) == 64 for user in users)


def test_an_expression_that_spark_refuses_names_file_and_key(messy: Settings, spark: "SparkSession") -> None:
    messy.source.write_text(SOURCE.replace("price: price", "price: no_such_function(price)"))
    deliver(messy, "2026-03-01", DAY_1)
    with pytest.raises(BadInput, match=r"messy\.yaml: events\.columns\.price: 'no_such_function\(price\)' is refused"):
        build(messy, spark, "2026-03-01", "2026-03-01")
    assert storage.version(messy, "events") is None


def gated(settings: Settings, spark: "SparkSession", ds: str) -> dict[str, Any]:
    """A day from delivery to events, with its gates; adds the raw gate's `warnings`."""
    days, reports = DayRange.parse(ds), {}
    land.run(settings, days)

    def check(name: str, frame: Any, keys: list[str], context: Mapping[str, Any]) -> None:
        reports[name] = gate(name, frame, keys, settings=settings, spark=spark, context=context)

    written = events.write(settings, events.clean(spark, settings, mapping.load(settings.source), days), check)
    return {**written, "warnings": [str(each) for each in reports["raw"].warnings]}


def test_a_failed_raw_gate_leaves_events_and_shows_what_was_refused(messy: Settings, spark: "SparkSession") -> None:
    messy = messy.model_copy(update={"refused_fail": 0.2})
    deliver(messy, "2026-03-01", DAY_1)
    build(messy, spark, "2026-03-01", "2026-03-01")
    before = {name: storage.version(messy, name) for name in ("events", "item_sightings")}
    deliver(messy, "2026-03-01", [*DAY_1, *DAY_1, *list(BROKEN) * 2])
    with pytest.raises(GateFailed) as caught:
        gated(messy, spark, "2026-03-01")
    message = str(caught.value)
    assert "gate raw, " in message
    assert "Events and sightings keep their previous partitions; refused rows stand in `quarantine`" in message
    assert {name: storage.version(messy, name) for name in before} == before
    assert Counter(row["reason"] for row in rows(messy, "quarantine")) == dict.fromkeys(BROKEN.values(), 2)
    deliver(messy, "2026-03-01", DAY_1[:1])
    assert gated(messy, spark, "2026-03-01")["rows"] == 1, "a corrected delivery heals"
    assert rows(messy, "quarantine") == []


def test_a_new_column_is_told_once_and_nothing_else_changes(messy: Settings, spark: "SparkSession") -> None:
    deliver(messy, "2026-03-01", DAY_1)
    assert gated(messy, spark, "2026-03-01")["warnings"] == []
    deliver(messy, "2026-03-02", [row + ",red" for row in DAY_2], HEADER + ",colour")
    (warning,) = gated(messy, spark, "2026-03-02")["warnings"]
    assert "header: no column unknown" in warning
    assert "colour in 2026-03-02.csv.gz" in warning
    assert len(rows(messy)) == 9, "its rows are taken, and the day before is as it was"
    deliver(messy, "2026-03-03", ["u5,i9,buy,2026-03-03 08:00:00,4,1,b7,Vase,,red"], HEADER + ",colour")
    assert gated(messy, spark, "2026-03-03")["warnings"] == []
    deliver(messy, "2026-03-02", DAY_2)
    assert gated(messy, spark, "2026-03-02")["warnings"] == [], "a corrected delivery heals"


def test_a_renamed_column_is_refused_and_the_old_data_stay(messy: Settings, spark: "SparkSession") -> None:
    deliver(messy, "2026-03-01", DAY_1)
    gated(messy, spark, "2026-03-01")
    version = storage.version(messy, "events")
    deliver(messy, "2026-03-02", DAY_2, HEADER.replace("price", "amount"))
    with pytest.raises(
        BadInput, match=r"events\.columns\.price reads column 'price', which .*2026-03-02\.csv\.gz does"
    ):
        gated(messy, spark, "2026-03-02")
    assert storage.version(messy, "events") == version
    deliver(messy, "2026-03-02", DAY_2)
    assert gated(messy, spark, "2026-03-02")["rows"] == 9


def test_a_column_that_a_landed_file_lost_stops_the_line(messy: Settings, spark: "SparkSession") -> None:
    """Landed while the mapping did not read it; then the mapping does."""
    extra = HEADER + ",euro"
    deliver(messy, "2026-03-01", DAY_1)
    deliver(messy, "2026-03-02", [row + ",7.5" for row in DAY_2], extra)
    build(messy, spark, "2026-03-01", "2026-03-02")
    messy.source.write_text(SOURCE.replace("price: price", "price: euro"))
    assert gated(messy, spark, "2026-03-02")["warnings"] == [], "what came later was unknown before: no fault"
    messy.source.write_text(SOURCE)
    build(messy, spark, "2026-03-01", "2026-03-02")
    deliver(messy, "2026-03-03", ["u5,i9,buy,2026-03-03 08:00:00,4,1,b7,Vase,"])
    land.run(messy, DayRange.parse("2026-03-03"))
    version = storage.version(messy, "events")
    messy.source.write_text(SOURCE.replace("price: price", "price: euro"))
    with pytest.raises(
        GateFailed, match=r"no column missing - .*euro \(events\.columns\.price\) in 2026-03-03\.csv\.gz"
    ):
        gated(messy, spark, "2026-03-03")
    messy.source.write_text(SOURCE.replace("user_id: who", "user_id: euro"))
    with pytest.raises(GateFailed, match=r"euro \(events\.columns\.user_id\) in 2026-03-01\.csv\.gz and 1 more files"):
        gated(messy, spark, "2026-03-03")
    assert storage.version(messy, "events") == version
    messy.source.write_text(SOURCE)
    assert gated(messy, spark, "2026-03-03")["rows"] == 10
