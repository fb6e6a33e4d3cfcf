"""Replacing days: few rows through the driver and many through Spark leave the same table."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from jobs import partitions
from jobs.partitions import Held, hold, replace_days
from jobs.spark import read, schema
from lake import storage
from lake.partitions import recorded
from lake.settings import Settings
from lake.tables import TABLES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.integration

DAYS = ["2026-03-01", "2026-03-02"]
MADE = ("events", "user_features")


def rows(spark: "SparkSession", name: str, count: int = 7) -> "DataFrame":
    """Rows of a table with every type in it: text beyond ASCII, NULL, negative numbers, timestamps, maps."""
    moment = datetime(2026, 3, 1, 23, 59, 59, 999999, tzinfo=UTC)
    values: dict[str, Any] = {
        "string": lambda i: f"é{i}",
        "long": lambda i: -(2**62) + i,
        "int": lambda i: i - 3,
        "double": lambda i: None if i == 2 else -i / 3,
        "boolean": lambda i: i % 2 == 0,
        "timestamp": lambda _: moment,
        "map<string,double>": lambda i: {"b": i / 7, "a": 0.1} if i else None,
    }
    made = [
        tuple(DAYS[i % 2] if c.name == "ds" else values[c.type](i) for c in TABLES[name].columns) for i in range(count)
    ]
    types = schema(TABLES[name])
    for field in types.fields:
        field.nullable = True
    return spark.createDataFrame(made, types)


@pytest.fixture(params=MADE)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def ways(settings: Settings, folder: Path) -> dict[str, Settings]:
    """Settings with which the driver writes, and with which Spark does, on lakes of their own."""
    return {
        way: settings.model_copy(update={"lake_root": str(folder / way), "small_write_rows": limit})
        for way, limit in (("driver", 7), ("spark", 6))
    }


def test_both_ways_leave_the_same_table(
    spark: "SparkSession", tmp_settings: Settings, tmp_path: Path, name: str
) -> None:
    found = {}
    for way, settings in ways(tmp_settings, tmp_path).items():
        held = hold(settings, name, rows(spark, name))
        assert isinstance(held.rows, pa.Table) is (way == "driver")
        marks = replace_days(settings, name, held, DAYS, "test")
        key = TABLES[name].column_names[0]
        through_spark = sorted(map(str, read(spark, settings, name).collect()))
        found[way] = (marks, through_spark, storage.read(settings, name).sort_by(key).to_pylist())
        assert {day: n for day, (n, _) in marks.items()} == {DAYS[0]: 4, DAYS[1]: 3}
        assert recorded(settings, name) == marks
    assert found["driver"] == found["spark"]


@pytest.mark.parametrize("first", ["driver", "spark"])
def test_one_way_replaces_what_the_other_wrote(
    spark: "SparkSession", tmp_settings: Settings, tmp_path: Path, name: str, first: str
) -> None:
    both = ways(tmp_settings, tmp_path)
    second = "spark" if first == "driver" else "driver"
    frame = rows(spark, name)
    replace_days(both[first], name, frame, DAYS, "test")
    other = both[second].model_copy(update={"lake_root": both[first].lake_root})
    version = storage.version(other, name)
    replace_days(other, name, frame, DAYS, "test")
    assert storage.version(other, name) == version, "the content is recognised whoever wrote it"
    fewer = frame.where("ds = '2026-03-01'") if second == "driver" else frame.unionByName(frame)
    marks = replace_days(other, name, fewer, DAYS, "test")
    assert marks[DAYS[1]][0] == (0 if second == "driver" else 6)
    assert len(storage.read(other, name)) == sum(n for n, _ in marks.values())
    assert read(spark, other, name).count() == sum(n for n, _ in marks.values())


def test_few_rows_of_much_text_stay_with_spark(
    spark: "SparkSession", tmp_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = rows(spark, "quarantine")
    assert isinstance(hold(tmp_settings, "quarantine", frame).rows, pa.Table)
    monkeypatch.setattr(partitions, "SMALL_TEXT", 10)
    assert not isinstance(hold(tmp_settings, "quarantine", frame).rows, pa.Table)


def test_a_stray_day_is_refused(spark: "SparkSession", tmp_settings: Settings) -> None:
    held = hold(tmp_settings, "events", rows(spark, "events"))
    assert isinstance(held, Held)
    with pytest.raises(ValueError, match="do not belong to the days being replaced"):
        replace_days(tmp_settings, "events", held, DAYS[:1], "test")
    assert storage.version(tmp_settings, "events") is None


def test_days_are_read_by_their_bounds(spark: "SparkSession", tmp_settings: Settings) -> None:
    replace_days(tmp_settings, "events", rows(spark, "events"), DAYS, "test")
    assert read(spark, tmp_settings, "events", DAYS[1]).count() == 3
    assert read(spark, tmp_settings, "events", end=DAYS[0]).count() == 4
    assert read(spark, tmp_settings, "events", "2027-01-01").count() == 0
    assert read(spark, tmp_settings, "items").count() == 0
