"""The figures of all checks of a frame, in one aggregation for the rows and one for each grouping.

Great Expectations would start a job an expectation on Spark (decision 0003); here the engine that holds the rows passes
over them once and hands out one small row a day. Spark and DuckDB are asked the same SQL.
"""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
import pyarrow.dataset as pads

from lake.columns import Columns as C
from lake.tables.definition import Type
from validation.checks import Check, Given, Groups, Rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SAMPLE = 5
STRAY = "NULL"
"""How rows without a day are called."""

SPARK_NAMES: dict[str, Type] = {
    "string": "string",
    "bigint": "long",
    "int": "int",
    "smallint": "int",
    "tinyint": "int",
    "double": "double",
    "float": "double",
    "boolean": "boolean",
    "timestamp": "timestamp",
    "map<string,double>": "map<string,double>",
}

DUCKDB_NAMES = {"`": '"', "octet_length(": "strlen(", "array_max(": "list_max(", "array_min(": "list_min("}
"""What the two call differently; DuckDB's `octet_length` takes no text."""


class Engine(Protocol):
    """Rows to be asked in SQL as the relation `frame`; `types` maps a column to its lake type, None if it has none."""

    types: dict[str, Type | None]

    def ask(self, sql: str) -> list[dict[str, Any]]: ...


class SparkRows:
    """A Spark frame."""

    def __init__(self, frame: "DataFrame") -> None:
        self.session = frame.sparkSession
        self.view = f"gate_{uuid.uuid4().hex}"
        self.types: dict[str, Type | None] = {name: _spark_type(kind) for name, kind in frame.dtypes}
        frame.createOrReplaceTempView(self.view)

    def ask(self, sql: str) -> list[dict[str, Any]]:
        return [row.asDict() for row in self.session.sql(sql.replace("FROM frame", f"FROM {self.view}")).collect()]

    def close(self) -> None:
        self.session.catalog.dropTempView(self.view)


class ArrowRows:
    """A pyarrow table, or a data set that is read from its files each time, asked through DuckDB."""

    def __init__(self, table: pa.Table | pads.Dataset, threads: int) -> None:
        import duckdb

        self.types: dict[str, Type | None] = {field.name: _arrow_type(field.type) for field in table.schema}
        self.connection = duckdb.connect(config={"threads": threads})
        self.connection.execute("SET TimeZone = 'UTC'")
        self.connection.register("frame", table)

    def ask(self, sql: str) -> list[dict[str, Any]]:
        for of_spark, of_duckdb in DUCKDB_NAMES.items():
            sql = sql.replace(of_spark, of_duckdb)
        found: pa.Table = self.connection.sql(sql).to_arrow_table()
        return list(found.to_pylist())

    def close(self) -> None:
        self.connection.close()


@contextmanager
def opened(frame: Any, threads: int = 2) -> Iterator[Engine]:
    """An engine for a Spark frame, a pyarrow table or data set, or a pandas frame.

    A Spark frame that reads nothing cached is cached while the gate looks at it, for it is passed over more than once.
    """
    if isinstance(frame, (pa.Table, pads.Dataset)):
        rows: ArrowRows | SparkRows = ArrowRows(frame, threads)
    elif hasattr(frame, "sparkSession"):
        rows = SparkRows(frame)
    else:
        rows = ArrowRows(pa.Table.from_pandas(frame, preserve_index=False), threads)
    owned = isinstance(rows, SparkRows) and not _reads_cache(frame)
    try:
        if owned:
            frame.persist()
        yield rows
    finally:
        rows.close()
        if owned:
            frame.unpersist()


def _reads_cache(frame: "DataFrame") -> bool:
    """Whether the frame, or what it is a projection of, is held already: a second copy would only cost memory."""
    plan = frame._jdf.queryExecution().withCachedData().toString()
    return frame.is_cached or "InMemoryRelation" in plan or "LogicalRDD" in plan


def _spark_type(kind: str) -> Type | None:
    return "double" if kind.startswith("decimal") else SPARK_NAMES.get(kind)


def _arrow_type(kind: pa.DataType) -> Type | None:
    tests: list[tuple[bool, Type]] = [
        (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind), "string"),
        (pa.types.is_dictionary(kind) and _arrow_type(getattr(kind, "value_type", None)) == "string", "string"),
        (pa.types.is_int64(kind), "long"),
        (pa.types.is_integer(kind), "int"),
        (pa.types.is_floating(kind) or pa.types.is_decimal(kind), "double"),
        (pa.types.is_boolean(kind), "boolean"),
        (pa.types.is_timestamp(kind) and kind.tz is not None, "timestamp"),
        (kind == pa.map_(pa.string(), pa.float64()), "map<string,double>"),
    ]
    return next((name for holds, name in tests if holds), None)


@dataclass
class Figures:
    """Rows a day and, by check name, the figure a day; days without rows count nothing."""

    rows: dict[str, int] = field(default_factory=dict)
    values: dict[str, dict[str, float | None]] = field(default_factory=dict)

    def complete(self, checks: Sequence[Check]) -> None:
        """Take over the figures of `Given` checks; a day without a figure has count 0 or, for a share, none."""
        for check in checks:
            if isinstance(check.measure, Given):
                self.values[check.name] = dict(check.measure.values)
            for day in self.rows:
                self.values.setdefault(check.name, {}).setdefault(day, 0 if check.counts else None)

    def put(self, check: Check, day: str, count: float, of: float) -> None:
        share = not check.counts
        self.values.setdefault(check.name, {})[day] = (count / of if of else None) if share else count


def measured(engine: Engine, checks: Sequence[Check], keys: Sequence[str]) -> Figures:
    """Rows and the figures of all checks that are counted, for `keys` and whatever other day the rows name.

    One aggregation answers every rule about rows and about whole days; each other grouping costs one more.
    """
    figures = Figures(dict.fromkeys(keys, 0))
    by_row = [(check, check.measure) for check in checks if isinstance(check.measure, Rows)]
    by_group = [(check, check.measure) for check in checks if isinstance(check.measure, Groups)]
    by_day = [(check, rule) for check, rule in by_group if not rule.by]
    # DuckDB counts NULL where no row answers, Spark 0.
    counts = "".join(f", coalesce(count_if({rule.offends}), 0) AS c{i}" for i, (_, rule) in enumerate(by_row))
    counts += "".join(f", CASE WHEN {rule.offends} THEN 1 ELSE 0 END AS d{i}" for i, (_, rule) in enumerate(by_day))
    for row in engine.ask(f"SELECT `{C.DS}` AS day, count(*) AS n{counts} FROM frame GROUP BY `{C.DS}`"):
        figures.rows[_day(row)] = int(row["n"])
        for i, (check, _) in enumerate(by_row):
            figures.put(check, _day(row), int(row[f"c{i}"]), int(row["n"]))
        for i, (check, _) in enumerate(by_day):
            figures.put(check, _day(row), int(row[f"d{i}"]), 1)
    for by in dict.fromkeys(rule.by for _, rule in by_group if rule.by):
        _measure_groups(engine, [pair for pair in by_group if pair[1].by == by], by, figures)
    return figures


def _measure_groups(
    engine: Engine, pairs: Sequence[tuple[Check, Groups]], by: tuple[str, ...], figures: Figures
) -> None:
    columns = ", ".join(f"`{name}`" for name in (C.DS, *by))
    inner = ", ".join(
        f"CASE WHEN ({rule.among}) AND ({rule.offends}) THEN {rule.adds} ELSE 0 END AS o{i}, "
        f"CASE WHEN {rule.among} THEN 1 ELSE 0 END AS a{i}"
        for i, (_, rule) in enumerate(pairs)
    )
    outer = ", ".join(f"sum(o{i}) AS o{i}, sum(a{i}) AS a{i}" for i in range(len(pairs)))
    found = engine.ask(
        f"SELECT day, {outer} FROM (SELECT `{C.DS}` AS day, {inner} FROM frame GROUP BY {columns}) GROUP BY day"
    )
    for row in found:
        for i, (check, _) in enumerate(pairs):
            figures.put(check, _day(row), int(row[f"o{i}"]), int(row[f"a{i}"]))


def sample(engine: Engine | None, check: Check) -> tuple[str, ...]:
    """Up to five offenders, the most frequent first and then by text, so that the order of rows does not matter."""
    if isinstance(check.measure, Given) or engine is None:
        return check.measure.sample[:SAMPLE] if isinstance(check.measure, Given) else ()
    shows = check.shows or (check.measure.by if isinstance(check.measure, Groups) else (check.column,))
    columns = [f"coalesce(CAST(`{name}` AS STRING), 'NULL')" for name in shows if name in engine.types]
    if not columns:
        return ()
    value = columns[0] if len(columns) == 1 else f"concat_ws(' / ', {', '.join(columns)})"
    if isinstance(check.measure, Groups):
        keys = ", ".join(f"`{name}`" for name in (C.DS, *check.measure.by))
        rule = f"({check.measure.among}) AND ({check.measure.offends})"
        inner = f"SELECT {value} AS value, count(*) AS n FROM frame GROUP BY {keys} HAVING {rule}"
        found = engine.ask(f"SELECT value, n FROM ({inner}) ORDER BY n DESC, value LIMIT {SAMPLE}")
        return tuple(_short(row["value"]) for row in found)
    inner = f"SELECT {value} AS value FROM frame WHERE {check.measure.offends}"
    found = engine.ask(
        f"SELECT value, count(*) AS n FROM ({inner}) GROUP BY value ORDER BY n DESC, value LIMIT {SAMPLE}"
    )
    return tuple(f"{_short(row['value'])} ({row['n']}x)" if row["n"] > 1 else _short(row["value"]) for row in found)


def _short(text: Any, width: int = 80) -> str:
    shown = str(text)
    return repr(shown if len(shown) <= width else shown[: width - 3] + "...")


def _day(row: dict[str, Any]) -> str:
    return STRAY if row["day"] is None else str(row["day"])
