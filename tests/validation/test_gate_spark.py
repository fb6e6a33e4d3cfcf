"""The gate on rows that Spark made, asked through Spark and through DuckDB: events, features, pairs, raw counts."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from jobs.spark import schema
from lake import storage
from lake.columns import EVENT_TYPES, WINDOWS
from lake.columns import Columns as C
from lake.settings import Settings
from lake.tables import TABLES
from tests.validation.planted import DAY, MORNING_AFTER, NOON, changed, events
from tests.validation.planted import table as planted_table
from validation.gate import GateReport, validate

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.integration

Rows = list[dict[str, Any]]


Made = Callable[[str, Rows], Any]


@pytest.fixture(params=["spark", "arrow"])
def made(request: pytest.FixtureRequest, spark: "SparkSession") -> Made:
    """Rows as a Spark frame, or as the Arrow table that few rows are held as; NULL is allowed anywhere."""

    def make(name: str, rows: Rows) -> Any:
        types = schema(TABLES[name])
        for field in types.fields:
            field.nullable = True
        frame = spark.createDataFrame(rows, types)
        return frame.toArrow() if request.param == "arrow" else frame

    return make


def checked(made: Made, settings: Settings, rows: Rows, **context: Any) -> GateReport:
    return validate("events", made("events", rows), [DAY], settings=settings, context=context)


def test_clean_events_pass(made: Made, tmp_settings: Settings) -> None:
    report = checked(made, tmp_settings, events(), raw=41, reasons={"price: negative": 1})
    assert (report.failures, report.warnings) == ((), ())
    assert report.rows == 40
    assert any("fewer than 3 same weekdays" in note for note in report.notes)


FAILING: dict[str, tuple[Callable[[Rows], Rows], str, str, int]] = {
    "null_item": (lambda rows: changed(rows, 1, 2, item_id=None), "item_id", "not NULL", 2),
    "unknown_type": (lambda rows: changed(rows, 5, event_type="refund"), "event_type",
                     "one of view, cart, purchase, rating", 1),
    "negative_price": (lambda rows: changed(rows, 3, 4, 5, price=-1.0), "price", "at least 0", 3),
    "infinite_quantity": (lambda rows: changed(rows, 3, quantity=float("inf")), "quantity", "finite", 1),
    "id_twice": (lambda rows: changed(rows, 3, 4, 5, event_id="e000"), "event_id", "unique within a day", 3),
    "empty_id": (lambda rows: changed(rows, 3, item_id=" "), "item_id", "not empty", 1),
    "long_id": (lambda rows: changed(rows, 3, user_id="é" * 129), "user_id", "at most 256 bytes", 1),
    "of_another_day": (lambda rows: changed(rows, 3, event_ts=NOON - timedelta(days=1)), "event_ts",
                       "within its ds", 1),
    "ds_not_asked_for": (lambda rows: changed(rows, 3, ds="2026-11-01"), "ds", "one of the days of this run", 1),
    "rating_without_value": (lambda rows: changed(rows, 3, event_type="rating"), "value", "given for every rating", 1),
}  # fmt: skip


def test_every_planted_breach_is_found_at_once(made: Made, tmp_settings: Settings) -> None:
    """One frame with ten faults in rows of their own: none hides another, and none is invented."""
    rows: Rows = []
    for number, (plant, *_) in enumerate(FAILING.values()):
        own = [row | {C.EVENT_ID: f"{number}-{row[C.EVENT_ID]}"} for row in events(12)]
        rows += [row | {C.EVENT_ID: f"{number}-e000"} if row[C.EVENT_ID] == "e000" else row for row in plant(own)]
    report = checked(made, tmp_settings, rows)
    found = {(breach.column, breach.rule): breach.offending for breach in report.failures}
    assert found == {
        **{(column, rule): n for _, column, rule, n in FAILING.values()},
        ("event_ts", "within its ds"): 2,
    }
    price = next(breach for breach in report.failures if breach.column == "price")
    assert price.sample == ("'-1.0' (3x)",)
    assert price.days == (DAY,)


def test_warnings_do_not_stop(made: Made, tmp_settings: Settings) -> None:
    rows = changed([row | {C.USER_ID: None} for row in events()], 3, ingested_ts=NOON - timedelta(days=2))
    report = checked(made, tmp_settings, rows, raw=44, reasons={"price: negative": 3, "item_id: missing": 1})
    assert report.success
    assert [(each.column, each.rule) for each in report.warnings] == [
        ("event_ts", "not a day after its delivery"),
        ("user_id", "anonymous in at most 98% of rows"),
        ("", "refused rows at most 5% of a day"),
    ]
    assert report.warnings[2].offending == 4
    assert report.warnings[2].sample == ("'price: negative' (3x)", "'item_id: missing' (1x)")


@pytest.mark.parametrize(("missing_day", "success"), [("normal", True), ("fail", False)])
def test_empty_day(made: Made, tmp_settings: Settings, missing_day: str, success: bool) -> None:
    remember(tmp_settings, "events", 1000)
    report = checked(made, tmp_settings, [], missing_day=missing_day)
    assert report.success is success
    assert report.rows == 0


def test_drop_against_the_weekday_stops_and_tells_the_reference(made: Made, tmp_settings: Settings) -> None:
    remember(tmp_settings, "events", 1000)
    report = checked(made, tmp_settings, events())
    assert [each.rule for each in report.failures] == ["rows at least 1/10 of the weekday's median"]
    assert "40 rows against a median of 1,000 on 4 Mondays before" in report.failures[0].observed
    assert report.failures[0].offending == 40


def remember(settings: Settings, name: str, rows: int) -> None:
    """Record the same rows for four earlier weeks of `DAY`."""
    marks = [
        {"table": name, "ds": (NOON - timedelta(weeks=week)).date().isoformat(), "rows": rows, "content_hash": "0",
         "delta_version": 0, "job": "test", "written_ts": NOON}
        for week in (1, 2, 3, 4)
    ]  # fmt: skip
    storage.append(settings, "partitions", pa.Table.from_pylist(marks, TABLES["partitions"].arrow_schema()))


def users(made: Made, counts: dict[str, int]) -> Any:
    """User features with one-day views as given and everything else plain."""
    zeros = {C.count(kind, days): 0 for kind in EVENT_TYPES for days in WINDOWS}
    plain = {column.name: None if column.nullable else 1.0 for column in TABLES["user_features"].columns}
    whole = {C.ACTIVE_DAYS: 1, C.DISTINCT_ITEMS: 1, C.SESSIONS: 0, C.DS: DAY, C.CATEGORY_AFFINITY: {"toys": 1.0}}
    rows = [plain | zeros | whole | {C.USER_ID: user, C.count("view", 1): n} for user, n in counts.items()]
    return made("user_features", rows)


def test_user_features_are_held_against_the_days_events(made: Made, tmp_settings: Settings) -> None:
    late = datetime(2026, 11, 24, 7, tzinfo=UTC)
    rows = changed(events(), 1, 2, ingested_ts=late)
    write_deltalake(f"{tmp_settings.lake_root}/events", planted_table("events", rows), partition_by=["ds"])
    known = sum(row[C.USER_ID] is not None and row[C.INGESTED_TS] == MORNING_AFTER for row in rows)
    good = validate("user_features", users(made, {"u1": known - 3, "u2": 3}), DAY, settings=tmp_settings)
    leaked = validate("user_features", users(made, {"u1": known, "u2": 2}), DAY, settings=tmp_settings)
    empty = validate("user_features", users(made, {}), DAY, settings=tmp_settings)
    assert good.success, [str(each) for each in good.failures]
    assert [each.rule for each in leaked.failures] == ["one-day counts equal to the events of known users"]
    assert [each.rule for each in empty.failures] == ["rows where the day has events"]


def test_pairs_need_ranks_without_gaps_and_another_item(made: Made, tmp_settings: Settings) -> None:
    def pair(item: str, other: str, rank: int) -> dict[str, Any]:
        return {C.ITEM_ID: item, C.OTHER_ITEM_ID: other, C.RELATION: "bought", C.WEIGHT: 0.5, C.PAIRS: 3,
                C.RANK: rank, C.DS: DAY}  # fmt: skip

    good = [pair("a", "b", 1), pair("a", "c", 2), pair("b", "a", 1)]
    assert validate("co_visitation", made("co_visitation", good), DAY, settings=tmp_settings).success
    bad = [*good, pair("c", "c", 2)]
    report = validate("co_visitation", made("co_visitation", bad), DAY, settings=tmp_settings)
    assert [(each.column, each.offending) for each in report.failures] == [("other_item_id", 1), ("rank", 1)]
    assert report.failures[1].sample == ("'c / bought'",)


def test_every_table_that_spark_makes_has_a_suite_that_can_be_answered(made: Made, tmp_settings: Settings) -> None:
    for name, table in TABLES.items():
        if table.engine == "spark":
            report = validate(name, made(name, []), DAY, settings=tmp_settings, context={"missing_day": "normal"})
            assert report.success, [str(each) for each in report.failures]
            assert report.checks > len(table.columns)


@pytest.mark.parametrize("layout", ["rows", "counted"])
def test_raw_counts_from_spark(spark: "SparkSession", tmp_settings: Settings, layout: str) -> None:
    reasons = [None] * 60 + ["row: cannot be read"] * 30 + ["price: negative"] * 10
    rows = spark.createDataFrame([(DAY, reason) for reason in reasons], "_delivery_ds string, reason string")
    if layout == "counted":
        rows = rows.groupBy("_delivery_ds", "reason").count().withColumnRenamed("count", "rows")
    report = validate("raw", rows, DAY, settings=tmp_settings, context={"unknown_columns": ["colour"]})
    assert [(each.column, each.offending) for each in report.failures] == [("row", 30)]
    assert {each.rule for each in report.warnings} == {
        "header: no column unknown", "readable", "refused rows at most 5% of a day",
        "refused for 'cannot be read' in at most 5%", "refused for 'negative' in at most 5%",
    }  # fmt: skip


def test_raw_from_the_cleanings_counts_and_a_lost_column(tmp_settings: Settings) -> None:
    counts = {"raw": 100, "reasons": {"event_ts: cannot be read": 80}, "missing_columns": ["price"]}
    report = validate("raw", None, DAY, settings=tmp_settings, context=counts)
    assert [each.rule for each in report.failures] == ["header: no column missing", "refused rows at most 50% of a day"]
    assert report.failures[0].sample == ("price",)
    assert validate("raw", None, DAY, settings=tmp_settings, context={"raw": 0}).success
