"""What a table is: the one place from which schema, checks and documentation are derived."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

Type = Literal["string", "long", "int", "double", "boolean", "timestamp", "map<string,double>"]
Severity = Literal["fail", "warn"]
Engine = Literal["spark", "deltalake"]

ARROW: dict[Type, pa.DataType] = {
    "string": pa.string(),
    "long": pa.int64(),
    "int": pa.int32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "map<string,double>": pa.map_(pa.string(), pa.float64()),
}


@dataclass(frozen=True)
class Column:
    """One column. `null` says what NULL means, and its absence that NULL is refused.

    `minimum` and `maximum` are inclusive. `severity` is what a breach of any of the column's checks does:
    `fail` stops the line, `warn` is told.
    """

    name: str
    type: Type
    description: str
    unit: str = ""
    null: str = ""
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] = ()
    severity: Severity = "fail"

    @property
    def nullable(self) -> bool:
        return bool(self.null)


@dataclass(frozen=True)
class Table:
    """One table: columns, key, clock, partitioning and the engine that makes its rows."""

    name: str
    description: str
    clock: str
    columns: tuple[Column, ...]
    engine: Engine
    key: tuple[str, ...] = ()
    partition_by: tuple[str, ...] = ("ds",)
    notes: Sequence[str] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        names = self.column_names
        repeated = {name for name in names if names.count(name) > 1}
        missing = {name for name in (*self.key, *self.partition_by) if name not in names}
        if repeated or missing:
            raise ValueError(f"table {self.name}: columns defined twice {repeated}, key without column {missing}")

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]

    def column(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"table {self.name} has no column {name!r}; it has {', '.join(self.column_names)}")

    def arrow_schema(self) -> pa.Schema:
        """The table's schema for `deltalake` and pyarrow; timestamps are UTC microseconds."""
        return pa.schema([pa.field(c.name, ARROW[c.type], nullable=c.nullable) for c in self.columns])
