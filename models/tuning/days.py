"""How a search cuts the end of the log into windows, and which days' features that takes."""

from datetime import date
from typing import Any

from lake import storage
from lake.clock import shift
from lake.errors import BadInput
from lake.settings import Settings
from models.config import TrainingConfig
from models.windows import Windows

WINDOWS, HISTORIES = 3, 5
"""Windows that a search cuts off the end of the log, and how many windows long it must be."""


def window_days(settings: Settings, ds: date, config: TrainingConfig) -> int:
    """Length of the label windows, as a training as of `ds` would choose it.

    Raises:
        BadInput: the log is too short to cut a search out of it.
    """
    windows = Windows.choose(settings, ds, config)
    oldest = shift(ds, 1 - settings.history_days).isoformat()
    days = [day for day in storage.days(settings, "events") if oldest <= day <= ds.isoformat()]
    length = (ds - date.fromisoformat(days[0])).days + 1
    if windows is None or length < HISTORIES * windows.days:
        wanted = HISTORIES * (windows.days if windows else 1)
        raise BadInput(
            f"--ds {ds}: the log has {length} days up to then, a search needs {wanted}; search later, or set "
            f"window_days in --config to {length // HISTORIES} or less"
        )
    return windows.days


def plan(settings: Settings, ds: date, config: TrainingConfig, minutes: float) -> dict[str, Any]:
    """As `Windows.plan`, with the days of a search of so many minutes."""
    planned = Windows.plan(settings, ds, config)
    if minutes > 0:
        known = set(storage.days(settings, "items")) & set(storage.days(settings, "item_features"))
        days = window_days(settings, ds, config)
        searched = {shift(ds, -count * days).isoformat() for count in range(1, WINDOWS + 1)}
        wanted = searched | set(planned["as_of"])
        planned |= {"as_of": sorted(wanted), "missing": sorted(wanted - known)}
    return planned
