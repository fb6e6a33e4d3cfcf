"""`docs/tables.md`, made from the definitions: `python -m lake.tables.document > docs/tables.md`."""

from collections.abc import Iterator

from lake.tables import TABLES
from lake.tables.definition import Column, Engine, Table

HEADER = """# Tables

Made by `python -m lake.tables.document > docs/tables.md` from `lake/tables/`; change the definitions, not this page.

Every table is a Delta table under `LAKE_ROOT`, one folder a table, partitioned as stated; a partition `ds` is a UTC
day. Times are UTC with microseconds. A column without an entry under NULL is never NULL. Rules marked *warn* are told
and do not stop the line; all others fail the gate.
"""

MAKERS: dict[Engine, str] = {
    "spark": "made by Spark, written by `jobs.partitions` only",
    "deltalake": "made without Spark, written by `deltalake` only",
}


def markdown() -> str:
    """The whole page."""
    contents = [f"| [`{t.name}`](#{t.name}) | {t.description} |" for t in TABLES.values()]
    parts = [HEADER, "\n".join(["| table | holds |", "|---|---|", *contents]) + "\n"]
    parts += ["\n".join(_section(table)) + "\n" for table in TABLES.values()]
    return "\n".join(parts)


def _section(table: Table) -> Iterator[str]:
    yield f"## {table.name}"
    yield ""
    yield table.description
    yield ""
    yield f"* Clock: {table.clock}"
    yield f"* Key: {_codes(table.key) or 'none'}"
    yield f"* Partitioned by {_codes(table.partition_by)}; {MAKERS[table.engine]}"
    yield from (f"* {note}" for note in table.notes)
    yield ""
    yield "| column | type | unit | meaning | NULL | rules |"
    yield "|---|---|---|---|---|---|"
    yield from (_row(column) for column in table.columns)


def _row(column: Column) -> str:
    cells = (f"`{column.name}`", column.type, column.unit, column.description, column.null, _rules(column))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _rules(column: Column) -> str:
    rules = []
    if column.allowed:
        rules.append(f"one of {_codes(column.allowed)}")
    if column.minimum is not None:
        rules.append(f"at least {column.minimum:g}")
    if column.maximum is not None:
        rules.append(f"at most {column.maximum:g}")
    if column.severity == "warn":
        rules.append("*warn*")
    return "; ".join(rules)


def _codes(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    print(markdown(), end="")
