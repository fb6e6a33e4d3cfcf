"""From a version in Redis back to the shop's files: every link planted, and every missing one told."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import redis as redis_py

from jobs import land
from jobs.lineage.chain import trace
from jobs.lineage.page import page
from jobs.publication.partition import record_name
from jobs.publication.versions import Versions
from jobs.publish import publish
from lake import storage
from lake.clock import DayRange
from lake.errors import BadInput, Unavailable
from lake.partitions import record, recorded, versions
from lake.settings import Settings
from lake.tables import TABLES
from models.registry import Registry
from tests.jobs import planted_lists

pytestmark = pytest.mark.integration

SOURCE = """
name: shop
deliveries: {format: csv, pattern: "{ds}.csv", missing_day: normal, time_zone: UTC, delay: 2h}
events:
  columns: {user_id: who, item_id: what, event_type: kind, event_ts: try_to_timestamp(at)}
  event_types: {view: view}
items: {from: events, columns: {}}
"""
DAYS = ("2026-11-20", "2026-11-21", "2026-11-22")
FEATURES = ("items", "user_features", "item_features", "co_visitation")


def deliver(house: Settings, day: str, text: str) -> str:
    """Land a day's file; returns the digest of its bytes."""
    content = f"who,what,kind,at\n{text}\n"
    (Path(house.data) / f"{day}.csv").write_text(content)
    land.run(house, DayRange.parse(ds=day), history=False)
    return hashlib.sha256(content.encode()).hexdigest()


def written(house: Settings, table: str, day: str, rows: int, read: Any) -> int:
    """A write of a partition as the jobs record it; the rows themselves do not matter here."""
    empty = TABLES[table].arrow_schema().empty_table()
    version = storage.replace_days(house, table, empty, [day])
    record(house, [(table, day, rows, f"{table}-{day}-{version}")], version, "jobs.day", read)
    return version


@pytest.fixture
def house(tmp_settings: Settings, tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    (tmp_path / "shop.yaml").write_text(SOURCE)
    (tmp_path / "in").mkdir()
    (tmp_path / "bundle").mkdir()
    manifest = {"kind": "full", "trained_through": DAYS[1], "code": "abc123", "delta_versions": {"events": 1}}
    (tmp_path / "bundle" / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setattr(Registry, "resolve", lambda self, wanted: ("7", tmp_path / "bundle"))
    update = {"source": tmp_path / "shop.yaml", "data": str(tmp_path / "in"), "redis_url": redis_url}
    return tmp_settings.model_copy(update={**update, "code_version": "v9", "version_grace_seconds": 0})


@pytest.fixture
def digests(house: Settings) -> dict[str, str]:
    """Three days delivered and cleaned, features and lists of the last one made and published."""
    found = {day: deliver(house, day, f"u1,i1,view,{day} 10:00:00") for day in DAYS}
    for number, day in enumerate(DAYS):
        read = versions(house, ["deliveries"])
        written(house, "events", day, 100 + number, read)
        record(house, [("quarantine", day, number, "q")], 0, "jobs.day", read)
    read = versions(house, ["events"])
    made = {table: {"version": written(house, table, DAYS[2], 10, read), "ds": DAYS[2]} for table in FEATURES}
    rows = planted_lists.rows("e1", DAYS[2], ["u1", "u2"], bundle="7")
    planted_lists.write(house, rows)
    content = recorded(house, record_name("home"))[DAYS[2]][1]
    lists = storage.version(house, "lists")
    record(house, [(record_name("home"), DAYS[2], len(rows), content)], lists, "jobs.lists", {**read, **made})
    publish(house, DAYS[2], run="night 22")
    return found


def test_every_link_is_found_and_nothing_is_missing(house: Settings, digests: dict[str, str]) -> None:
    found = trace(house, "home")
    assert found["gaps"] == []
    assert found["redis"]["data_through"] == found["lists"]["ds"] == DAYS[2]
    assert found["lists"]["matches"]
    assert found["lists"]["content_hash"] == found["redis"]["content_hash"]
    assert (found["lists"]["delta_version"], found["lists"]["code"]) == (storage.version(house, "lists"), "v9")
    assert (found["publication"]["run"], found["publication"]["version"]) == ("night 22", found["redis"]["version"])
    bundle = found["bundle"]
    assert (bundle["version"], bundle["code"], bundle["read"]) == ("7", "abc123", {"events": 1})
    assert [(row["table"], row["ds"], row["rows"]) for row in found["features"]] == [(t, DAYS[2], 10) for t in FEATURES]
    events = found["events"]
    assert (events["days"], events["rows"], events["read_version"]) == (3, 303, storage.version(house, "events"))
    assert [(row["ds"], row["rows"], row["quarantined"]) for row in events["shown"]] == [
        (day, 100 + number, number) for number, day in enumerate(DAYS)
    ]
    assert {row["ds"]: row["sha256"] for row in found["deliveries"]} == digests
    text = "\n".join(page(found))
    assert all(digest[:16] in text for digest in digests.values())
    assert "GAP" not in text


def test_a_file_that_was_corrected_later_is_not_what_the_lists_were_made_from(
    house: Settings, digests: dict[str, str]
) -> None:
    corrected = deliver(house, DAYS[1], f"u1,i2,view,{DAYS[1]} 10:00:00")
    assert {row["ds"]: row["sha256"] for row in trace(house, "home")["deliveries"]} == digests
    written(house, "events", DAYS[1], 99, versions(house, ["deliveries"]))
    found = trace(house, "home")
    assert {row["ds"]: row["sha256"] for row in found["deliveries"]} == digests
    assert found["events"]["rows"] == 303, "the lists know the events as they were"
    assert corrected not in json.dumps(found)


def test_what_feeds_what_by_the_window_of_deliveries(house: Settings, digests: dict[str, str]) -> None:
    """The first day was written before the later files landed; the last one from all three."""
    feeds = {row["ds"]: row["feeds"] for row in trace(house, "home")["deliveries"]}
    assert feeds == {DAYS[0]: [DAYS[0], DAYS[1]], DAYS[1]: [*DAYS], DAYS[2]: [*DAYS]}


def test_lists_made_again_since_and_a_version_that_is_gone_are_told(house: Settings, digests: dict[str, str]) -> None:
    first = trace(house, "home")["redis"]["version"]
    planted_lists.write(house, planted_lists.rows("e2", DAYS[2], ["u1", "u2"], bundle="7"))
    assert any("made again" in gap for gap in trace(house, "home")["gaps"])
    client: Any = redis_py.Redis.from_url(house.redis_url, decode_responses=True)
    Versions(client, "home", 3).remove({first})
    found = trace(house, "home", version=first)
    assert found["redis"] is None
    assert found["lists"]["matches"], "the decision keeps the content that was published"
    assert any("not stand in Redis" in gap for gap in found["gaps"])


def test_old_records_without_inputs_are_gaps(house: Settings, digests: dict[str, str]) -> None:
    rows = planted_lists.rows("e3", "2026-11-23", ["u1"], bundle="7")
    planted_lists.write(house, rows)
    publish(house, "2026-11-23")
    gaps = trace(house, "home")["gaps"]
    assert any("made before it was kept" in gap for gap in gaps)
    assert sum("no record of" in gap for gap in gaps) == len(FEATURES)


def test_without_redis_a_day_can_still_be_traced(house: Settings, digests: dict[str, str]) -> None:
    away = house.model_copy(update={"redis_url": "redis://127.0.0.1:9/0"})
    with pytest.raises(Unavailable):
        trace(away, "home")
    found = trace(away, "home", ds=DAYS[2])
    assert (found["redis"], found["lists"]["matches"]) == (None, True)
    assert {row["ds"]: row["sha256"] for row in found["deliveries"]} == digests


def test_what_was_never_made_is_refused(house: Settings, digests: dict[str, str]) -> None:
    with pytest.raises(BadInput, match="no record of lists of 2026-01-01"):
        trace(house, "home", ds="2026-01-01")
    with pytest.raises(BadInput, match="nothing is published"):
        trace(house, "discover")
    with pytest.raises(BadInput, match="neither in Redis nor"):
        trace(house, "home", version="20200101T000000Z-000000")


def test_the_ledger_of_before_is_read(tmp_settings: Settings) -> None:
    """A table written before there were the columns `read` and `code`."""
    from deltalake import write_deltalake

    schema = TABLES["partitions"].arrow_schema()
    old = pa.schema([field for field in schema if field.name not in ("read", "code")])
    row = {"table": "events", "ds": DAYS[0], "rows": 1, "content_hash": "x", "delta_version": 0, "job": "j"}
    table = pa.Table.from_pylist([{**row, "written_ts": pa.scalar(0, pa.timestamp("us", "UTC")).as_py()}], old)
    write_deltalake(f"{tmp_settings.lake_root}/partitions", table, partition_by=["table"])
    record(tmp_settings, [("events", DAYS[0], 2, "y")], 1, "jobs.day", {"deliveries": {"version": 3}})
    assert recorded(tmp_settings, "events") == {DAYS[0]: (2, "y")}
