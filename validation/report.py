"""What a gate says: breaches a person can act on, and the report of one gate."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lake.tables.definition import Severity
from validation import metrics
from validation.checks import Check, Given, Groups


@dataclass(frozen=True)
class Breach:
    """A check that did not hold: what was seen, how many rows (groups, for rules about groups), and some of them."""

    table: str
    column: str
    rule: str
    severity: Severity
    observed: str
    offending: int
    sample: tuple[str, ...]
    days: tuple[str, ...]

    def __str__(self) -> str:
        place = f"{self.table}.{self.column}" if self.column else self.table
        days = f" on {', '.join(self.days[:3])}{' ...' if len(self.days) > 3 else ''}" if self.days else ""
        sample = f"; for example {', '.join(self.sample)}" if self.sample else ""
        return f"{place}: {self.rule} - found {self.observed}{days}{sample}"


@dataclass(frozen=True)
class GateReport:
    """What a gate found.

    Args:
        name: table, or `raw`.
        days: the partitions checked, ascending.
        success: no check of severity `fail` was breached.
        rows: rows seen.
        checks: how many checks were held.
        failures, warnings: the breaches, in the suite's order.
        notes: what could not be checked, and why.
        docs_url: file:// address of this result's page in the Data Docs.
        docs_index: file:// address of the Data Docs.
        seconds: wall time of the gate.
    """

    name: str
    days: tuple[str, ...]
    success: bool
    rows: int
    checks: int
    failures: tuple[Breach, ...]
    warnings: tuple[Breach, ...]
    notes: tuple[str, ...]
    docs_url: str
    docs_index: str
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON types, small enough for an XCom: of the days only the first and the last."""
        return asdict(self) | {"days": [self.days[0], self.days[-1]]}

    def span(self) -> str:
        return self.days[0] if len(self.days) == 1 else f"{self.days[0]}..{self.days[-1]}"


def breach(table: str, check: Check, figures: metrics.Figures, sample: Sequence[str]) -> Breach:
    """Tell a breached check.

    Args:
        sample: offenders, as text.
    """
    values = figures.values[check.name]
    days = tuple(sorted(day for day, value in values.items() if value is not None and outside(check, value)))
    if check.counts:
        offending = int(sum(values[day] or 0 for day in days))
        observed = f"{offending:,} of {sum(figures.rows.values()):,} rows"
        if isinstance(check.measure, Groups) and check.measure.adds == "1":
            by = ", ".join(check.measure.by)
            observed = f"{offending:,} offending groups ({by})" if by else f"another number ({check.note})"
    else:
        worst = min(days, key=lambda day: (_margin(check, values[day] or 0.0), day))
        observed = f"{values[worst]:.4g}"
        offending = round(sum((values[day] or 0.0) * figures.rows.get(day, 0) for day in days))
        if isinstance(check.measure, Given):
            offending = sum(check.measure.offending.get(day, 0) for day in days)
            told = check.measure.told.get(worst)
            observed = f"{observed} ({told})" if told else observed
    if isinstance(check.measure, Given) and check.note:
        observed += f" - {check.note}"
    return Breach(table, check.column, check.rule, check.severity, observed, offending, tuple(sample), days)


def outside(check: Check, value: float) -> bool:
    return (check.low is not None and value < check.low) or (check.high is not None and value > check.high)


def _margin(check: Check, value: float) -> float:
    """How far inside its bounds a value is; the most negative is the worst."""
    above = value - check.low if check.low is not None else float("inf")
    below = check.high - value if check.high is not None else float("inf")
    return min(above, below)
