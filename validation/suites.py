"""A table's suite, derived from its definition: columns, types, nullability, allowed values, bounds, key, partition."""

from collections.abc import Mapping, Sequence

from lake.columns import Columns as C
from lake.tables.definition import Column, Table, Type
from validation.checks import TABLE_LEVEL, Check, Given, Groups, Rows, literal

WIDER: dict[Type, tuple[Type, ...]] = {"long": ("int",), "int": ("long",), "double": ("int", "long")}
"""Types that may stand for another without loss: the write casts them."""

INFINITE = "CAST('Infinity' AS DOUBLE)"


def derived(table: Table, found: Mapping[str, Type | None], keys: Sequence[str]) -> list[Check]:
    """Checks that follow from the definition.

    Args:
        found: columns of the frame and their lake type, None for a type the lake has not.
        keys: the partitions that the rows may belong to.

    Returns:
        Checks of the frame's shape first, then column by column in the definition's order, then the key.
    """
    checks = shape(table, found, keys[-1])
    wrong = set(mistyped(table, found))
    for column in table.columns:
        if column.name in found:
            checks += _column(table, column, readable=column.name not in wrong)
    days = ", ".join(literal(key) for key in keys)
    checks.append(
        Check(C.DS, "one of the days of this run", "fail", Rows(f"`{C.DS}` IS NULL OR `{C.DS}` NOT IN ({days})"))
    )
    by = tuple(name for name in table.key if name != C.DS)
    if by:
        together = " and ".join(by)
        rule = f"unique{' together' if len(by) > 1 else ''} within a day"
        checks.append(Check(together, rule, "fail", Groups(by, "count(*) > 1", adds="count(*) - 1")))
    return [check for check in checks if check.needs() <= set(found)]


def shape(table: Table, found: Mapping[str, Type | None], day: str) -> list[Check]:
    """Missing, mistyped, unknown and disordered columns; the figures stand on `day`, the last one."""
    names = table.column_names
    missing = [name for name in names if name not in found]
    unknown = [name for name in found if name not in names]
    present = [name for name in found if name in names]
    disordered = [] if present == [name for name in names if name in found] else present
    wrong = [f"{name} is {found[name]}, not {table.column(name).type}" for name in mistyped(table, found)]
    return [
        _listed("columns: none missing", "fail", missing, day),
        _listed("columns: of the defined types", "fail", wrong, day),
        _listed("columns: none unknown", "warn", unknown, day),
        _listed("columns: in the defined order", "warn", disordered, day),
    ]


def _listed(rule: str, severity: str, offenders: list[str], day: str) -> Check:
    measure = Given({day: len(offenders)}, {day: ", ".join(offenders)}, {day: len(offenders)}, tuple(offenders))
    return Check(TABLE_LEVEL, rule, "fail" if severity == "fail" else "warn", measure)


def mistyped(table: Table, found: Mapping[str, Type | None]) -> list[str]:
    """Columns whose type is neither the defined one nor one that widens to it."""
    return [
        column.name
        for column in table.columns
        if column.name in found and found[column.name] not in (column.type, *WIDER.get(column.type, ()))
    ]


def _column(table: Table, column: Column, readable: bool) -> list[Check]:
    name, note = f"`{column.name}`", column.description + (f" [{column.unit}]" if column.unit else "")
    checks = []
    if not column.nullable:
        shows = tuple(key for key in table.key if key != column.name) or (column.name,)
        checks.append(Check(column.name, "not NULL", column.severity, Rows(f"{name} IS NULL"), shows=shows, note=note))
    if not readable:
        return checks
    if column.allowed:
        values = ", ".join(literal(value) for value in column.allowed)
        rule = f"one of {', '.join(column.allowed)}"
        checks.append(Check(column.name, rule, column.severity, Rows(f"{name} NOT IN ({values})"), note=note))
    if column.type == "double":
        wild = Rows(f"abs({name}) >= {INFINITE}")  # NaN sorts above infinity in Spark and DuckDB
        checks.append(Check(column.name, "finite", column.severity, wild, note=note))
    for bound, sign, word in ((column.minimum, "<", "at least"), (column.maximum, ">", "at most")):
        if bound is not None:
            beyond = Rows(f"{name} {sign} {bound:g}")
            checks.append(Check(column.name, f"{word} {bound:g}", column.severity, beyond, note=note))
    if column.type == "string" and column.name in (*table.key, C.ITEM_ID, C.USER_ID):
        checks.append(Check(column.name, "not empty", column.severity, Rows(f"trim({name}) = ''"), note=note))
    return checks
