"""What the quarantine holds: reasons, how many rows, and one row of each as it was delivered."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow.compute as pc

from lake import storage
from lake.clock import DayRange
from lake.columns import Columns as C
from lake.settings import Settings

WIDTH = 200


@dataclass(frozen=True)
class Refused:
    """A reason, its rows, and an example (the first by text, cut to 200 characters)."""

    reason: str
    rows: int
    example: str


def summary(settings: Settings, days: DayRange | Sequence[str]) -> list[Refused]:
    """Refused rows of the days by reason, the most frequent first."""
    keys = days.keys() if isinstance(days, DayRange) else list(days)
    rows = storage.read(settings, "quarantine", ds=keys, columns=[C.REASON, C.ROW])
    short = rows.set_column(1, C.ROW, pc.utf8_slice_codeunits(rows[C.ROW], 0, WIDTH))
    grouped = short.group_by(C.REASON).aggregate([(C.ROW, "count"), (C.ROW, "min")]).to_pylist()
    found = [Refused(row[C.REASON], row[f"{C.ROW}_count"], row[f"{C.ROW}_min"]) for row in grouped]
    return sorted(found, key=lambda each: (-each.rows, each.reason))
