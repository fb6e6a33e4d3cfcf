"""Delta tables without a JVM: atomic days, time travel, one writer a table."""

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lake import storage
from lake.settings import Settings
from lake.tables import TABLES


def rows(ds: str, *items: str) -> pa.Table:
    schema = TABLES["lists"].arrow_schema()
    base = {"surface": "home", "kind": "user", "owner": "u", "score": 1.0, "source": "popular", "reason": "popular"}
    made = [base | {"rank": n, "item_id": item, "bundle": "1", "ds": ds} for n, item in enumerate(items, 1)]
    return pa.Table.from_pylist(made, schema)


def items_of(settings: Settings, **where: object) -> list[str]:
    return sorted(storage.read(settings, "lists", **where).column("item_id").to_pylist())  # type: ignore[arg-type]


def test_a_table_never_written_reads_as_empty(tmp_settings: Settings) -> None:
    assert storage.read(tmp_settings, "events").num_rows == 0
    assert storage.version(tmp_settings, "events") is None
    assert storage.days(tmp_settings, "events") == []


def test_replacing_a_day_leaves_the_others(tmp_settings: Settings) -> None:
    storage.replace_days(tmp_settings, "lists", rows("2026-01-01", "a", "b"), ["2026-01-01"])
    storage.replace_days(tmp_settings, "lists", rows("2026-01-02", "c"), ["2026-01-02"])
    storage.replace_days(tmp_settings, "lists", rows("2026-01-01", "d"), ["2026-01-01"])
    assert items_of(tmp_settings) == ["c", "d"]
    assert items_of(tmp_settings, ds="2026-01-02") == ["c"]
    assert items_of(tmp_settings, start="2026-01-02", end="2026-01-09") == ["c"]


def test_a_replaced_day_can_still_be_read_by_version(tmp_settings: Settings) -> None:
    before = storage.replace_days(tmp_settings, "lists", rows("2026-01-01", "a"), ["2026-01-01"])
    storage.replace_days(tmp_settings, "lists", rows("2026-01-01"), ["2026-01-01"])
    assert items_of(tmp_settings) == []
    assert items_of(tmp_settings, version=before) == ["a"]


def test_a_table_written_before_a_column_was_added_reads_and_goes_on(tmp_settings: Settings) -> None:
    old = rows("2026-01-01", "a").drop_columns(["probability"])
    write_deltalake(storage.table_uri(tmp_settings, "lists"), old, partition_by=["ds"])
    assert storage.read(tmp_settings, "lists").column("probability").to_pylist() == [None]
    new = rows("2026-01-02", "b")
    place = new.schema.get_field_index("probability")
    told = new.set_column(place, new.schema.field(place), pa.array([0.25]))
    storage.replace_days(tmp_settings, "lists", told, ["2026-01-02"])
    read = storage.read(tmp_settings, "lists", columns=["item_id", "probability"]).to_pylist()
    assert sorted((row["item_id"], row["probability"]) for row in read) == [("a", None), ("b", 0.25)]


def test_rows_of_another_day_are_refused(tmp_settings: Settings) -> None:
    with pytest.raises(ValueError, match="do not belong to the days being replaced"):
        storage.replace_days(tmp_settings, "lists", rows("2026-01-01", "a"), ["2026-01-02"])


def test_only_the_owning_engine_may_write(tmp_settings: Settings) -> None:
    with pytest.raises(ValueError, match="events is written by spark only"):
        storage.append(tmp_settings, "events", TABLES["events"].arrow_schema().empty_table())


def test_an_unknown_table_is_named(tmp_settings: Settings) -> None:
    with pytest.raises(KeyError, match="no table 'event'"):
        storage.table_uri(tmp_settings, "event")
