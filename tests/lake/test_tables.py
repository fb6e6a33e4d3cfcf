"""The definitions agree with each other and with the contract that others build on."""

import pyarrow as pa
import pytest

from lake.columns import EVENT_TYPES, WINDOWS
from lake.columns import Columns as C
from lake.tables import TABLES
from lake.tables.definition import ARROW, Column, Table

CONTRACT = {
    "events": "event_id user_id item_id event_type value event_ts ingested_ts ingested_assumed quantity price "
    "session_id device country source ds",
    "impressions": "surface user_id item_id rank list_version arm shown_ts clicked",
    "items": "item_id title description category brand price margin in_stock first_seen_ts ds",
    "users": "user_id country device ds",
    "quarantine": "source ds row reason ingested_ts",
    "user_features": "user_id ds",
    "item_features": "item_id ds",
    "co_visitation": "item_id other_item_id relation ds",
    "lists": "surface kind owner rank item_id score source reason reason_item bundle ds",
    "decisions": "decision_id ds kind reason figures thresholds intervals run",
}


@pytest.mark.parametrize("name", CONTRACT)
def test_contract_columns_are_there(name: str) -> None:
    missing = set(CONTRACT[name].split()) - set(TABLES[name].column_names)
    assert not missing


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
class TestEveryTable:
    def test_name_and_texts(self, table: Table) -> None:
        assert TABLES[table.name] is table
        assert table.description.endswith(".")
        assert all(column.description for column in table.columns)

    def test_keys_and_partitions_are_never_null(self, table: Table) -> None:
        nullable = [name for name in (*table.key, *table.partition_by) if table.column(name).nullable]
        assert not nullable

    def test_arrow_schema_mirrors_the_columns(self, table: Table) -> None:
        schema = table.arrow_schema()
        assert schema.names == table.column_names
        for column in table.columns:
            assert schema.field(column.name).type == ARROW[column.type]
            assert schema.field(column.name).nullable == bool(column.null)

    def test_bounds_stand_on_numbers_only(self, table: Table) -> None:
        bounded = [c.type for c in table.columns if c.minimum is not None or c.maximum is not None]
        assert set(bounded) <= {"int", "long", "double"}
        assert all(c.type == "string" for c in table.columns if c.allowed)

    def test_times_are_utc_microseconds(self, table: Table) -> None:
        times = [f.type for f in table.arrow_schema() if pa.types.is_timestamp(f.type)]
        assert all(t == pa.timestamp("us", tz="UTC") for t in times)

    def test_one_name_has_one_type_everywhere(self, table: Table) -> None:
        other = {c.name: c.type for t in TABLES.values() for c in t.columns}
        assert {c.name: c.type for c in table.columns} == {name: other[name] for name in table.column_names}


@pytest.mark.parametrize("name", ["user_features", "item_features"])
def test_every_type_and_window_is_counted(name: str) -> None:
    counts = {C.count(kind, days) for kind in EVENT_TYPES for days in WINDOWS}
    assert counts <= set(TABLES[name].column_names)
    assert "views_7d" in counts


@pytest.mark.parametrize(
    ("columns", "key", "named"),
    [
        ((Column("a", "int", "x"), Column("a", "int", "x"), Column("ds", "string", "x")), (), "'a'"),
        ((Column("a", "int", "x"), Column("ds", "string", "x")), ("b",), "'b'"),
        ((Column("a", "int", "x"),), (), "'ds'"),
    ],
    ids=["column_twice", "key_without_column", "partition_without_column"],
)
def test_a_broken_definition_is_refused(columns: tuple[Column, ...], key: tuple[str, ...], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Table(name="t", description="d", clock="c", engine="spark", columns=columns, key=key)


def test_an_unknown_column_is_named_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match=r"no column 'colour'.*item_id"):
        TABLES["items"].column("colour")
