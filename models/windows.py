"""Which days a training uses: where its label windows lie, and the days whose features it needs."""

from dataclasses import dataclass
from datetime import date
from math import ceil
from typing import Any

from lake import storage
from lake.clock import DayRange, shift
from lake.errors import BadInput
from lake.partitions import recorded
from lake.settings import Settings
from models.config import TrainingConfig

LONGEST, USUAL = 14, 7
HISTORIES = 4
"""A log must be this many windows long: two for labels, two for what the first examples look back on."""
LENGTHS_EACH = 3
"""A label window beyond the first two is taken for every so many window lengths of log."""
MOST = 5
ENOUGH_EVENTS = 400_000
"""Events in label windows that teach a ranker enough; a busy shop has them in two windows."""


def window_days(length: int) -> int:
    """Length of a label window that fits a log of `length` days: two weeks, a week, or less; 0 for the first days."""
    return LONGEST if length >= 6 * LONGEST else min(USUAL, length // HISTORIES)


@dataclass(frozen=True)
class Windows:
    """Label windows of equal length, one after another, that end with the as-of day.

    The last one tests what was learned from the others, and then teaches, too. What each of them teaches with, stage
    one included, knows only the days before it.

    Attributes:
        ds: the as-of day.
        days: length of a window.
        count: how many, at least 2.
    """

    ds: date
    days: int
    count: int

    @property
    def cuts(self) -> tuple[date, ...]:
        """Last day that is known before each window, the oldest first."""
        return tuple(shift(self.ds, -n * self.days) for n in range(self.count, 0, -1))

    @property
    def test_cut(self) -> date:
        """The last of `cuts`."""
        return self.cuts[-1]

    def after(self, cut: date) -> DayRange:
        """The window that begins after a cut."""
        return DayRange(shift(cut, 1), shift(cut, self.days))

    @classmethod
    def choose(cls, settings: Settings, ds: date, config: TrainingConfig) -> "Windows | None":
        """Windows that fit the log: two weeks on long ones, a week on short ones, less on the first days.

        There are more of them where the log is long and a window holds few events.

        Returns:
            None where the log is too short for any; the bundle is then one without trained models.

        Raises:
            BadInput: the lake holds no event up to `ds`.
        """
        oldest = shift(ds, 1 - settings.history_days).isoformat()
        days = [day for day in storage.days(settings, "events") if oldest <= day <= ds.isoformat()]
        if not days:
            raise BadInput(f"--ds {ds}: {settings.lake_root} holds no events up to that day; load some first")
        length = (ds - date.fromisoformat(days[0])).days + 1
        wanted = config.window_days or window_days(length)
        if wanted < 1 or length < HISTORIES * wanted:
            return None
        room = max(length // (LENGTHS_EACH * wanted), 2)
        rows = recorded(settings, "events")
        lately = sum(rows[day][0] for day in days if day > shift(ds, -wanted).isoformat() and day in rows)
        return cls(ds, wanted, min(room, config.label_windows or _needed(lately)))

    @classmethod
    def plan(cls, settings: Settings, ds: date, config: TrainingConfig) -> dict[str, Any]:
        """Days whose features a training as of `ds` reads, and those of them that the lake lacks."""
        windows = cls.choose(settings, ds, config)
        days = [ds] if windows is None else [*windows.cuts, ds]
        known = set(storage.days(settings, "items")) & set(storage.days(settings, "item_features"))
        wanted = [day.isoformat() for day in days]
        return {
            "as_of": wanted,
            "missing": [day for day in wanted if day not in known],
            "window_days": windows.days if windows else None,
        }


def _needed(events: int) -> int:
    """Windows until there is enough to learn from, given the events in one."""
    return min(max(ceil(ENOUGH_EVENTS / max(events, 1)), 2), MOST)
