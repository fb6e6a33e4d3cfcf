"""Rows of a day against the same weekday before: too few, too many, or nothing to judge by.

The reference is the median of up to eight previous same weekdays, from `partitions`, so one odd week does not move it.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from statistics import median
from typing import Literal

from lake import storage
from lake.clock import parse_day, shift
from lake.columns import Columns as C
from lake.settings import Settings
from lake.tables.definition import Severity
from validation.checks import TABLE_LEVEL, Check, Given

WEEKS = 8
FEWEST = 3
"""Same weekdays that must be known; with fewer there is no check, and the report says so."""

LONG_RANGE = 7
"""Days from which a run is a load of history: volume is then told, never a stop: no partition needs protection."""

SPIKES_STOP = ("events", "lists")
"""Tables whose day can be too large by a double delivery; the others grow as the shop does."""

ONLY_TOLD = ("co_visitation", "impressions")
"""Tables whose size follows thresholds of their own, or experiments that begin and end."""

MissingDay = Literal["normal", "wait", "fail"]


def history(settings: Settings, name: str) -> dict[str, int]:
    """Rows of every day of a table as last written."""
    marks = storage.read(settings, "partitions", filters=[("table", "=", name)], columns=[C.DS, "rows", "written_ts"])
    return {row[C.DS]: int(row["rows"]) for row in marks.sort_by("written_ts").to_pylist()}


def reference(day: date, known: Mapping[str, int]) -> tuple[float, int]:
    """Median rows of the previous same weekdays, and how many of them are known (at most eight, none above)."""
    before = (shift(day, -7 * week).isoformat() for week in range(1, 2 * WEEKS + 1))
    rows = [known[key] for key in before if key in known][:WEEKS]
    return (float(median(rows)) if rows else 0.0), len(rows)


def ratios(
    keys: Sequence[str],
    rows: Mapping[str, int],
    known: Mapping[str, int],
    *,
    missing_day: MissingDay | None = None,
    min_rows: int = 50,
) -> tuple[dict[str, float | None], dict[str, str], list[str]]:
    """Rows of each day over its reference.

    A day is not judged (None) where fewer than three same weekdays are known, where it and its reference are both
    small, where the shop is usually closed that weekday, and where it is empty and the source calls that normal.
    Days of the same run count as history for the days after them.

    Returns:
        Ratio by day, a sentence by judged day, and notes on days that could not be judged.
    """
    known = {**known, **{key: rows.get(key, 0) for key in keys}}
    values: dict[str, float | None] = {}
    told: dict[str, str] = {}
    unknown: list[str] = []
    for key in keys:
        day, n = parse_day(key), rows.get(key, 0)
        typical, seen = reference(day, {k: v for k, v in known.items() if k < key})
        values[key] = None
        if n == 0 and missing_day == "normal":
            continue
        if seen < FEWEST:
            unknown.append(key)
        elif typical > 0 and max(n, typical) >= min_rows:
            values[key] = n / typical
            told[key] = f"{n:,} rows against a median of {typical:,.0f} on {seen} {day:%A}s before"
    notes = []
    if unknown:
        shown = unknown[0] if len(unknown) == 1 else f"{unknown[0]} .. {unknown[-1]} ({len(unknown)} days)"
        notes.append(f"volume of {shown} not judged: fewer than {FEWEST} same weekdays before are known")
    return values, told, notes


def checks(
    name: str,
    keys: Sequence[str],
    rows: Mapping[str, int],
    settings: Settings,
    missing_day: MissingDay | None = None,
    loads_history: bool = False,
) -> tuple[list[Check], list[str]]:
    """The volume checks of a table and notes on what they could not judge.

    Args:
        loads_history: volume is told and never stops, as it is in any range of more than seven days.
    """
    values, told, notes = ratios(
        keys, rows, history(settings, name), missing_day=missing_day, min_rows=settings.volume_min_rows
    )
    stop: Severity = "warn" if loads_history or name in ONLY_TOLD or len(keys) > LONG_RANGE else "fail"
    spike: Severity = stop if name in SPIKES_STOP else "warn"
    given = Given(values, told, {key: rows.get(key, 0) for key in told})
    warn, fail = settings.volume_warn_factor, settings.volume_fail_factor
    hint = "if the day is right, raise VOLUME_FAIL_FACTOR for one run"
    found = [
        Check(TABLE_LEVEL, f"rows at least 1/{fail:g} of the weekday's median", stop, given, 1 / fail, None, note=hint),
        Check(TABLE_LEVEL, f"rows at most {fail:g} times the weekday's median", spike, given, None, fail, note=hint),
        Check(TABLE_LEVEL, f"rows within a factor of {warn:g} of the weekday's median", "warn", given, 1 / warn, warn),
    ]
    if name == "events" and missing_day in ("wait", "fail"):
        there = Given({key: rows.get(key, 0) for key in keys}, dict.fromkeys(keys, "an empty day"))
        rule = f"not empty (missing_day: {missing_day})"
        found.append(Check(TABLE_LEVEL, rule, stop, there, 1, None))
    return found, notes
