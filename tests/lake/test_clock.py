"""Days, ranges and what is known as of a day."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lake.clock import Cutoff, DayError, DayRange, parse_day

DAYS = st.dates(date(2000, 1, 1), date(2099, 12, 31))


@given(first=DAYS, length=st.integers(1, 800), chunk=st.integers(1, 200))
def test_chunks_cover_the_range_once_and_in_order(first: date, length: int, chunk: int) -> None:
    days = DayRange(first, date.fromordinal(first.toordinal() + length - 1))
    chunks = days.chunks(chunk)
    assert [day for part in chunks for day in part] == list(days)
    assert all(len(part) <= chunk for part in chunks)


@given(DAYS)
def test_a_day_reads_back(day: date) -> None:
    assert parse_day(day.isoformat()) == day


@pytest.mark.parametrize("text", ["", "2026-13-01", "20261101", "2026-1-1", "yesterday", "2026-11-01T00:00", None])
def test_what_is_no_day_is_refused_with_the_argument_named(text: str | None) -> None:
    with pytest.raises(DayError, match=r"--ds=.* is not a day"):
        parse_day(text, "--ds")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "given",
    [{}, {"ds": "2026-01-01", "start": "2026-01-01"}, {"start": "2026-01-01"}, {"end": "2026-01-01"}],
    ids=["nothing", "both", "no end", "no start"],
)
def test_half_a_range_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(DayError, match="give either --ds"):
        DayRange.parse(**given)


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(DayError, match="swap them"):
        DayRange.parse(start="2026-01-02", end="2026-01-01")


def test_as_of_a_day_ends_at_midnight_and_waits_for_the_delivery() -> None:
    cut = Cutoff.as_of(date(2026, 3, 28), delivery_cutoff_hours=6)
    assert cut.events_before == datetime(2026, 3, 29, tzinfo=UTC)
    assert cut.ingested_until == datetime(2026, 3, 29, 6, tzinfo=UTC)
