"""Which days a training uses: where its label windows lie, and the days whose features it needs."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from lake import storage
from lake.clock import DayRange, shift
from lake.errors import BadInput
from lake.settings import Settings
from models.config import TrainingConfig

LONGEST, USUAL = 14, 7
HISTORIES = 4
"""A log must be this many windows long: two for labels, two for what the first examples look back on."""


@dataclass(frozen=True)
class Windows:
    """Two label windows of equal length that end with the as-of day.

    The first teaches, the second tests and then teaches, too. Stage one is trained before the first begins.

    Attributes:
        ds: the as-of day.
        days: length of a window.
    """

    ds: date
    days: int

    @property
    def past(self) -> date:
        """Last day that stage one and the first examples may know."""
        return shift(self.ds, -2 * self.days)

    @property
    def middle(self) -> date:
        """Last day that the second examples may know."""
        return shift(self.ds, -self.days)

    @property
    def first(self) -> DayRange:
        return DayRange(shift(self.past, 1), self.middle)

    @property
    def second(self) -> DayRange:
        return DayRange(shift(self.middle, 1), self.ds)

    @classmethod
    def choose(cls, settings: Settings, ds: date, config: TrainingConfig) -> "Windows | None":
        """Windows that fit the log: two weeks on long ones, a week on short ones, less on the first days.

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
        wanted = config.window_days or (LONGEST if length >= 6 * LONGEST else min(USUAL, length // HISTORIES))
        return cls(ds, wanted) if wanted >= 1 and length >= HISTORIES * wanted else None

    @classmethod
    def plan(cls, settings: Settings, ds: date, config: TrainingConfig) -> dict[str, Any]:
        """Days whose features a training as of `ds` reads, and those of them that the lake lacks."""
        windows = cls.choose(settings, ds, config)
        days = [ds] if windows is None else [windows.past, windows.middle, ds]
        known = set(storage.days(settings, "items")) & set(storage.days(settings, "item_features"))
        wanted = [day.isoformat() for day in days]
        return {
            "as_of": wanted,
            "missing": [day for day in wanted if day not in known],
            "window_days": windows.days if windows else None,
        }
