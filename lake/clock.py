"""Days, ranges and the two clocks.

A partition is a UTC day `ds` (`YYYY-MM-DD`). `event_ts` says when something happened, `ingested_ts` when the shop's
delivery of it became available. What is known *as of* day D is what happened before the end of D **and** was ingested
before the delivery cut-off on the morning after.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from lake.errors import BadInput


class DayError(BadInput):
    """A day or range that cannot be read; the message shows what was found and the form wanted."""


def parse_day(text: str, name: str = "ds") -> date:
    """Read `YYYY-MM-DD`.

    Raises:
        DayError: anything else, naming the argument.
    """
    try:
        day = date.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise DayError(f"{name}={text!r} is not a day; give YYYY-MM-DD, for example 2026-11-22") from error
    if day.isoformat() != text:
        raise DayError(f"{name}={text!r} is not a day; give YYYY-MM-DD, for example 2026-11-22")
    return day


def day_start(day: date) -> datetime:
    """00:00 UTC of the day."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def day_end(day: date) -> datetime:
    """00:00 UTC of the next day: the first instant that is no longer part of the day."""
    return day_start(day + timedelta(days=1))


def shift(day: date, days: int) -> date:
    """The day `days` later (earlier if negative)."""
    return day + timedelta(days=days)


@dataclass(frozen=True)
class Cutoff:
    """What may be known as of a day: `event_ts < events_before and ingested_ts <= ingested_until` (both UTC)."""

    events_before: datetime
    ingested_until: datetime

    @classmethod
    def as_of(cls, day: date, delivery_cutoff_hours: int = 6) -> "Cutoff":
        end = day_end(day)
        return cls(end, end + timedelta(hours=delivery_cutoff_hours))


@dataclass(frozen=True)
class DayRange:
    """The days `first` .. `last`, both included."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise DayError(f"the range ends before it begins: from {self.first} to {self.last}; swap them")

    @classmethod
    def parse(cls, ds: str | None = None, start: str | None = None, end: str | None = None) -> "DayRange":
        """Either one day (`ds`) or a range (`start` and `end`).

        Raises:
            DayError: neither, both, or half of a range was given.
        """
        if ds and not (start or end):
            day = parse_day(ds, "--ds")
            return cls(day, day)
        if start and end and not ds:
            return cls(parse_day(start, "--from"), parse_day(end, "--to"))
        raise DayError("give either --ds YYYY-MM-DD or both --from YYYY-MM-DD and --to YYYY-MM-DD")

    def __iter__(self) -> Iterator[date]:
        return (shift(self.first, i) for i in range(len(self)))

    def __len__(self) -> int:
        return (self.last - self.first).days + 1

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first}..{self.last}"

    def keys(self) -> list[str]:
        """The partition keys, ascending."""
        return [day.isoformat() for day in self]

    def widen(self, before: int = 0, after: int = 0) -> "DayRange":
        return DayRange(shift(self.first, -before), shift(self.last, after))

    def chunks(self, days: int) -> list["DayRange"]:
        """Consecutive ranges of at most `days` days that cover this one."""
        if days < 1:
            raise DayError(f"a chunk needs at least one day, got {days}")
        starts = range(0, len(self), days)
        return [DayRange(shift(self.first, i), min(shift(self.first, i + days - 1), self.last)) for i in starts]
