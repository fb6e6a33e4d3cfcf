"""What the quarantine holds: reasons, how many rows, and one row of each as it was delivered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow.compute as pc

from lake import storage
from lake.clock import DayRange
from lake.columns import Columns as C
from lake.prometheus import metrics as prometheus
from lake.settings import Settings

WIDTH = 200
MOST_REASONS = 15
"""Reasons that are told one by one."""


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


def tell(reasons: Mapping[str, int]) -> None:
    """Note refused rows for Prometheus, without what a delivery made up: `event_type: unknown gift` loses the gift."""
    counts: dict[str, int] = {}
    for reason, rows in reasons.items():
        short = "event_type: unknown" if reason.startswith("event_type: unknown") else reason[:80]
        counts[short] = counts.get(short, 0) + rows
    ranked = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    told = dict(ranked[:MOST_REASONS])
    if rest := sum(rows for _, rows in ranked[MOST_REASONS:]):
        told["other"] = rest
    prometheus.REFUSED_BY_REASON.tell_all(told)
