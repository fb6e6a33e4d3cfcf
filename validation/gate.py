"""The two doors of data quality: `validate` tells, `gate` stops the line.

Both look at the *candidate* rows of some days, before they replace a partition. Great Expectations stays behind them.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from lake import mapping
from lake.clock import DayRange, parse_day
from lake.columns import Columns as C
from lake.errors import BadInput, GateFailed
from lake.prometheus import metrics as prometheus
from lake.settings import Settings
from lake.tables import TABLES
from validation import data_docs, metrics, raw, volume
from validation.checks import Check
from validation.expectations import judge
from validation.extras import counted, known
from validation.report import Breach, GateReport, breach
from validation.suites import derived, mistyped

__all__ = ["Breach", "GateReport", "gate", "tell", "validate"]

log = logging.getLogger("nightshelf.gate")

_REFUSED = "Events and sightings keep their previous partitions; refused rows stand in `quarantine` with their reason."

KEPT = {
    "raw": _REFUSED,
    "events": _REFUSED,
    "lists": "Nothing was replaced: the previous lists serve.",
}
"""What stays as it was when a gate fails, and what does not; the sentence after the failures."""

Days = DayRange | Sequence[str] | date | str


def gate(
    name: str,
    frame: Any,
    days: Days,
    *,
    settings: Settings,
    spark: Any = None,
    context: Mapping[str, Any] | None = None,
) -> GateReport:
    """`validate`, and stop if a check of severity `fail` is breached. Warnings and notes are logged.

    Raises:
        GateFailed: names every failed check with table, column, rule, what was observed, offending values, and what
            stays untouched.
    """
    report = validate(name, frame, days, settings=settings, spark=spark, context=context)
    tell(report)
    for warning in report.warnings:
        log.warning("gate %s: %s", name, warning)
    for note in report.notes:
        log.info("gate %s: %s", name, note)
    if not report.success:
        numbered = "\n".join(f"  {i}. {breach}" for i, breach in enumerate(report.failures, 1))
        kept = KEPT.get(name, "Nothing was replaced: the previous partition serves.")
        count = f"{len(report.failures)} of {report.checks} checks failed"
        raise GateFailed(
            f"gate {name}, {report.span()}: {count}.\n{numbered}\n"
            f"{kept} Correct the data or the table's definition and run the day again. All checks: {report.docs_url}"
        )
    log.info(
        "gate %s, %s: %d checks held on %d rows, %d warnings (%.1f s)",
        name,
        report.span(),
        report.checks,
        report.rows,
        len(report.warnings),
        report.seconds,
    )
    return report


def tell(report: GateReport) -> None:
    """Note for Prometheus what a gate said; a later report of the same gate takes its place."""
    prometheus.GATE_SUCCESS.tell(report.success, gate=report.name)
    prometheus.GATE_FAILURES.tell(len(report.failures), gate=report.name)
    prometheus.GATE_WARNINGS.tell(len(report.warnings), gate=report.name)
    prometheus.GATE_ROWS.tell(report.rows, gate=report.name)
    prometheus.GATE_SECONDS.tell(report.seconds, gate=report.name)


def validate(
    name: str,
    frame: Any,
    days: Days,
    *,
    settings: Settings,
    spark: Any = None,
    context: Mapping[str, Any] | None = None,
) -> GateReport:
    """Hold candidate rows against a table's suite, the weekday's volume and the table's further rules.

    Args:
        name: a table of `lake.tables`, or `raw`.
        frame: Spark frame, pyarrow table or data set, or pandas frame; cache a Spark frame that is costly to compute.
            For `raw` see `validation.raw.tally`; it may be None.
        days: the partitions that the rows are to replace; a day without rows is an answer, and is judged as one.
        spark: not needed, a frame knows its session.
        context: what only the caller knows, all optional. `raw` and `reasons` (rows read; refused rows by reason) or
            `quarantined` (refused rows by day) for events and raw; `missing_day` (default: the source's mapping);
            `missing_columns` and `unknown_columns` for raw; `history`, true for a load of history, whose volume is told
            and never stops; for lists `list_length` and `expected_users`, a number or
            one by surface, `full_length` by surface (of those whose lists are filled up) and `fallbacks`, the
            surfaces with segments (default: all).

    Returns:
        The report; breaches of severity `warn` leave `success` true.

    Raises:
        BadInput: `name` is no table, or there is no day.
    """
    started = time.monotonic()
    keys, facts = _keys(days), dict(context or {})
    if name == "raw":
        counts = raw.tally(frame, keys, facts)
        figures = metrics.Figures({day: sum(of_day.values()) for day, of_day in counts.items()})
        return _judged(name, keys, raw.checks(counts, keys, settings, facts), figures, [], settings, None, started)
    if name not in TABLES:
        raise BadInput(f"gate of {name!r}: expected raw or one of {', '.join(TABLES)}")
    with metrics.opened(frame, settings.threads) as engine:
        if C.DS not in engine.types:
            raise BadInput(f"gate of {name}: the frame has no column ds; it has {', '.join(engine.types)}")
        table, notes = TABLES[name], []
        broken = {*mistyped(table, engine.types), *(set(table.column_names) - set(engine.types))}
        if broken:
            notes.append(f"further rules left out for {', '.join(sorted(broken))}: missing or of another type")
        further = [check for check in counted(name, settings, keys, facts) if not check.needs() & broken]
        checks = [*derived(table, engine.types, keys), *further]
        figures = metrics.measured(engine, checks, keys)
        checks += known(name, keys, figures.rows, settings, facts)
        sized, unsized = volume.checks(
            name, keys, figures.rows, settings, _missing_day(name, settings, facts), bool(facts.get("history"))
        )
        return _judged(name, keys, [*checks, *sized], figures, [*notes, *unsized], settings, engine, started)


def _judged(
    name: str,
    keys: Sequence[str],
    checks: Sequence[Check],
    figures: metrics.Figures,
    notes: Sequence[str],
    settings: Settings,
    engine: metrics.Engine | None,
    started: float,
) -> GateReport:
    figures.complete(checks)
    verdict = judge(name, checks, figures, settings)
    found = [
        breach(name, check, figures, metrics.sample(engine, check))
        for check in checks
        if check.name in verdict.breached
    ]
    failures = tuple(each for each in found if each.severity == "fail")
    return GateReport(
        name=name,
        days=tuple(keys),
        success=not failures,
        rows=sum(figures.rows.values()),
        checks=len(checks),
        failures=failures,
        warnings=tuple(each for each in found if each.severity == "warn"),
        notes=tuple(notes),
        docs_url=verdict.page,
        docs_index=data_docs.index(settings),
        seconds=round(time.monotonic() - started, 3),
    )


def _missing_day(name: str, settings: Settings, context: Mapping[str, Any]) -> volume.MissingDay | None:
    """What an empty day of events means: as the caller says, else as the source's mapping says, else unknown."""
    if name != "events":
        return None
    if "missing_day" in context or not settings.source.is_file():
        return context.get("missing_day")
    return mapping.load(settings.source).deliveries.missing_day


def _keys(days: Days) -> list[str]:
    if isinstance(days, DayRange):
        return days.keys()
    keys = [days] if isinstance(days, str) else [days.isoformat()] if isinstance(days, date) else sorted(days)
    if not keys:
        raise BadInput("a gate needs at least one day; days is empty")
    return [parse_day(key, "days").isoformat() for key in keys]
