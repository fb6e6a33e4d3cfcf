"""What a check is: a rule, its severity, and how its figure comes about.

A check is a figure a day and the bounds it must keep. The figure is counted by the engine that holds the rows (`Rows`,
`Groups`) or known beforehand (`Given`); Great Expectations then holds it against the bounds.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from lake.tables.definition import Severity

TABLE_LEVEL = ""
"""The `column` of a check that speaks about the table as a whole."""


@dataclass(frozen=True)
class Rows:
    """How many rows of a day offend (`share`: which share of them).

    `offends` is SQL over one row that Spark and DuckDB both read; column names stand in backticks.
    """

    offends: str
    share: bool = False


@dataclass(frozen=True)
class Groups:
    """How many groups of a day's rows offend (`share`: which share of them).

    `offends` is SQL over the aggregates of one group; `among` leaves groups out of the count and of the share;
    `adds` is what one offending group adds to the count.
    """

    by: tuple[str, ...]
    offends: str
    among: str = "TRUE"
    adds: str = "1"
    share: bool = False


@dataclass(frozen=True)
class Given:
    """A figure a day that is known without the rows; None where there is nothing to hold it against.

    `told` says for a person how the day's figure came about, `sample` shows offenders.
    """

    values: Mapping[str, float | None]
    told: Mapping[str, str] = field(default_factory=dict)
    offending: Mapping[str, int] = field(default_factory=dict)
    sample: tuple[str, ...] = ()


@dataclass(frozen=True)
class Check:
    """One rule. Its figure must lie within `low` .. `high`, both included; None leaves a side open.

    Figures of `Rows` and `Groups` without `share` are counts and are held as their sum over the days; all others are
    held day by day. `shows` are the columns a sample of offenders shows (default: the column).
    """

    column: str
    rule: str
    severity: Severity
    measure: Rows | Groups | Given
    low: float | None = None
    high: float | None = 0.0
    shows: tuple[str, ...] = ()
    note: str = ""

    @property
    def name(self) -> str:
        """The metric's name, unique within a suite: `price: at least 0`."""
        return f"{self.column or 'table'}: {self.rule}"

    @property
    def counts(self) -> bool:
        return not isinstance(self.measure, Given) and not self.measure.share

    def needs(self) -> set[str]:
        """Columns that the check reads."""
        if isinstance(self.measure, Given):
            return set()
        texts = [self.measure.offends]
        if isinstance(self.measure, Groups):
            texts += [self.measure.among, self.measure.adds, *(f"`{name}`" for name in self.measure.by)]
        return set(re.findall(r"`([^`]+)`", " ".join(texts)))


def literal(text: str) -> str:
    """A SQL string that means the same to Spark and DuckDB.

    Raises:
        ValueError: a quote or backslash, which the two escape differently.
    """
    if "'" in text or "\\" in text:
        raise ValueError(f"{text!r} holds a quote or backslash; names and allowed values must not")
    return f"'{text}'"
