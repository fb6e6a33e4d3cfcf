"""Volume against the same weekday: pure arithmetic, no engine."""

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lake import storage
from lake.clock import shift
from lake.settings import Settings
from lake.tables import TABLES
from validation.volume import checks, history, ratios, reference

DAY = date(2026, 11, 23)
KEY = DAY.isoformat()


def weeks(*rows: int) -> dict[str, int]:
    """Rows of the same weekday one, two, ... weeks before."""
    return {shift(DAY, -7 * n).isoformat(): value for n, value in enumerate(rows, 1)}


def test_reference_is_the_median_of_the_same_weekday_only() -> None:
    other_days = {shift(DAY, -n).isoformat(): 9_999 for n in range(1, 30) if n % 7}
    assert reference(DAY, weeks(100, 1_000_000, 120) | other_days) == (120.0, 3)


def test_reference_takes_the_eight_newest_known() -> None:
    assert reference(DAY, weeks(*[100] * 8, *[5_000] * 8)) == (100.0, 8)


def test_fewer_than_three_same_weekdays_is_no_check_and_is_told() -> None:
    values, _, notes = ratios([KEY], {KEY: 1}, weeks(1000, 1000))
    assert values == {KEY: None}
    assert KEY in notes[0]


@pytest.mark.parametrize(
    ("rows", "known", "missing_day", "ratio"),
    [
        (1000, weeks(1000, 900, 1100), None, 1.0),
        (10_001, weeks(1000, 1000, 1000), "normal", 10.001),
        (0, weeks(1000, 1000, 1000), "fail", 0.0),
        (0, weeks(1000, 1000, 1000), "normal", None),
        (30, weeks(2, 2, 2), None, None),
        (700, weeks(0, 0, 0), None, None),
    ],
    ids=["usual", "spike", "empty_is_a_drop", "empty_is_normal", "too_small_to_judge", "weekday_usually_closed"],
)
def test_ratio(rows: int, known: dict[str, int], missing_day: str | None, ratio: float | None) -> None:
    values, _, _ = ratios([KEY], {KEY: rows}, known, missing_day=missing_day)  # type: ignore[arg-type]
    assert values[KEY] == (None if ratio is None else pytest.approx(ratio))


def test_days_of_the_same_run_are_history_of_later_ones() -> None:
    keys = [shift(DAY, 7 * n).isoformat() for n in range(4)]
    values, told, notes = ratios(keys, dict(zip(keys, [1000, 1000, 1000, 50], strict=True)), {})
    assert values[keys[3]] == pytest.approx(0.05)
    assert "50 rows against a median of 1,000 on 3 Mondays" in told[keys[3]]
    assert "3 days" in notes[0]


@given(st.lists(st.integers(0, 10**6), min_size=3, max_size=16), st.integers(0, 10**6))
def test_the_day_itself_and_later_days_never_move_its_own_reference(known: list[int], today: int) -> None:
    before = reference(DAY, weeks(*known))
    later = {shift(DAY, 7 * n).isoformat(): 10**9 for n in range(3)}
    first, _, _ = ratios([KEY], {KEY: today}, weeks(*known), min_rows=0)
    second, _, _ = ratios([KEY], {KEY: today}, weeks(*known) | later, min_rows=0)
    assert first == second
    assert before == reference(DAY, weeks(*known) | later)


@pytest.mark.parametrize(
    ("name", "days", "severities"),
    [
        ("events", 1, ["fail", "fail", "warn"]),
        ("user_features", 1, ["fail", "warn", "warn"]),
        ("co_visitation", 1, ["warn", "warn", "warn"]),
        ("events", 30, ["warn", "warn", "warn"]),
    ],
)
def test_severities(tmp_settings: Settings, name: str, days: int, severities: list[str]) -> None:
    keys = [shift(DAY, n).isoformat() for n in range(days)]
    found, _ = checks(name, keys, dict.fromkeys(keys, 100), tmp_settings)
    assert [check.severity for check in found] == severities


def test_history_is_the_last_written_count_of_a_day(tmp_settings: Settings) -> None:
    def mark(rows: int, hour: int, table: str = "events") -> dict[str, object]:
        written = datetime(2026, 11, 24, hour, tzinfo=UTC)
        return {"table": table, "ds": KEY, "rows": rows, "content_hash": "0", "delta_version": 0, "job": "x",
                "written_ts": written}  # fmt: skip

    rows = [mark(7, 5), mark(3, 2), mark(99, 9, "items")]
    storage.append(tmp_settings, "partitions", pa.Table.from_pylist(rows, TABLES["partitions"].arrow_schema()))
    assert history(tmp_settings, "events") == {KEY: 7}
