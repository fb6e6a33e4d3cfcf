"""The raw gate: what was delivered, before anything is made of it.

It looks at counts, not at rows: how many rows of each delivery day were taken, and how many were refused for which
reason. The cleaning has counted that already, so the gate costs no pass over the data.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from lake.columns import Columns as C
from lake.settings import Settings
from validation.checks import TABLE_LEVEL, Check, Given
from validation.extras import FEW_ROWS, refused

UNREADABLE = "row: cannot be read"
"""How the cleaning calls a row that is no row of the format."""

UNREADABLE_FAIL = 0.1
DELIVERY_DAY = "_delivery_ds"

Tally = dict[str, dict[str | None, int]]
"""Delivery day -> reason (None: taken) -> rows."""


def tally(frame: Any, keys: Sequence[str], context: Mapping[str, Any]) -> Tally:
    """Rows by delivery day and reason.

    Args:
        frame: a Spark, pandas or pyarrow frame with `reason` (NULL = taken), a day (`_delivery_ds` or `ds`) and, where
            it is counted already, `rows`; None to take the counts from the context.
        context: `raw` (rows read) and `reasons` (reason -> rows refused), over all days: they stand on the last.
    """
    if frame is None:
        reasons = {reason: int(n) for reason, n in context.get("reasons", {}).items()}
        return {keys[-1]: {None: int(context.get("raw", 0)) - sum(reasons.values()), **reasons}}
    if hasattr(frame, "sparkSession"):
        from pyspark.sql import functions as F

        counted = F.sum("rows") if "rows" in frame.columns else F.count("*")
        frame = frame.groupBy(_day_of(frame.columns), C.REASON).agg(counted.alias("rows")).toArrow()
    elif not isinstance(frame, pa.Table):
        frame = pa.Table.from_pandas(frame, preserve_index=False)
    day = _day_of(frame.column_names)
    if "rows" not in frame.column_names:
        frame = frame.group_by([day, C.REASON]).aggregate([([], "count_all")]).rename_columns([day, C.REASON, "rows"])
    counts: Tally = {key: {} for key in keys}
    for row in frame.to_pylist():
        of_day = counts.setdefault(str(row[day]), {})
        of_day[row[C.REASON]] = of_day.get(row[C.REASON], 0) + int(row["rows"])
    return counts


def _day_of(columns: Sequence[str]) -> str:
    return DELIVERY_DAY if DELIVERY_DAY in columns else C.DS


def checks(counts: Tally, keys: Sequence[str], settings: Settings, context: Mapping[str, Any]) -> list[Check]:
    """Columns of the header, unreadable rows, refused rows in all and by reason.

    Args:
        context: `missing_columns` and `unknown_columns` of the deliveries' headers, where known.
    """
    all_rows = {day: sum(of_day.values()) for day, of_day in counts.items()}
    by_reason: dict[str, dict[str, int]] = {}
    for day, of_day in counts.items():
        for reason, n in of_day.items():
            if reason is not None:
                by_reason.setdefault(reason, {})[day] = n
    gone = {day: sum(n for reason, n in of_day.items() if reason is not None) for day, of_day in counts.items()}
    reasons = {reason: sum(days.values()) for reason, days in by_reason.items()}
    return [
        _columns("header: no column missing", "missing_columns", keys, context),
        _columns("header: no column unknown", "unknown_columns", keys, context),
        *_unreadable(by_reason.get(UNREADABLE, {}), all_rows),
        *refused(gone, all_rows, reasons, settings),
        *[_one_reason(reason, days, all_rows, settings) for reason, days in sorted(by_reason.items())],
    ]


def _columns(rule: str, key: str, keys: Sequence[str], context: Mapping[str, Any]) -> Check:
    found = [str(name) for name in context.get(key, ())]
    measure = Given({keys[-1]: len(found)}, {keys[-1]: ", ".join(found)}, {keys[-1]: len(found)}, tuple(found))
    return Check(TABLE_LEVEL, rule, "fail" if key == "missing_columns" else "warn", measure)


def _unreadable(broken: Mapping[str, int], all_rows: Mapping[str, int]) -> list[Check]:
    shares = {day: (broken.get(day, 0) / n if n >= FEW_ROWS else None) for day, n in all_rows.items()}
    told = {day: f"{n:,} of {all_rows[day]:,} rows cannot be read" for day, n in broken.items()}
    counted = {day: broken.get(day, 0) for day in all_rows}
    return [
        Check("row", f"unreadable in at most {UNREADABLE_FAIL:.0%} of a day", "fail", Given(shares, told, counted),
              None, UNREADABLE_FAIL),
        Check("row", "readable", "warn", Given(counted, told, counted)),
    ]  # fmt: skip


def _one_reason(reason: str, days: Mapping[str, int], all_rows: Mapping[str, int], settings: Settings) -> Check:
    column, _, fault = reason.partition(": ")
    shares = {day: n / all_rows[day] for day, n in days.items()}
    told = {day: f"{n:,} of {all_rows[day]:,} rows: {reason}" for day, n in days.items()}
    rule = f"refused for '{fault or reason}' in at most {settings.refused_warn:.0%}"
    return Check(column, rule, "warn", Given(shares, told, dict(days)), None, settings.refused_warn)
