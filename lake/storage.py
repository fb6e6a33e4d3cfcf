"""Delta tables without a JVM: reading any table, writing the ones `deltalake` owns.

`LAKE_ROOT` is a folder or `s3a://bucket/prefix`; nothing here or above it knows which. Spark has its own door to the
same tables in `jobs.spark`.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pads
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import TableNotFoundError

from lake.columns import Columns as C
from lake.settings import Settings
from lake.tables import TABLES


def is_s3(uri: str) -> bool:
    return uri.startswith(("s3://", "s3a://"))


def table_uri(settings: Settings, name: str) -> str:
    """Where a table lives; `s3a://` is kept as set (Spark's form)."""
    if name not in TABLES:
        raise KeyError(f"no table {name!r}; there are {', '.join(TABLES)}")
    return f"{settings.lake_root.rstrip('/')}/{name}"


def storage_options(settings: Settings) -> dict[str, str]:
    """Object-store options for `deltalake`; credentials come from the standard AWS_* variables or the role."""
    if not is_s3(settings.lake_root):
        return {}
    options = {"AWS_REGION": settings.s3_region, "aws_conditional_put": "etag"}
    if settings.s3_endpoint_url:
        options["AWS_ENDPOINT_URL"] = settings.s3_endpoint_url
        options["AWS_ALLOW_HTTP"] = str(settings.s3_endpoint_url.startswith("http://")).lower()
        options["AWS_VIRTUAL_HOSTED_STYLE_REQUEST"] = "false"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        if os.environ.get(name):
            options[name] = os.environ[name]
    return options


def _python_uri(settings: Settings, name: str) -> str:
    uri = table_uri(settings, name)
    return uri.replace("s3a://", "s3://", 1) if is_s3(uri) else str(Path(uri).absolute())


def open_table(settings: Settings, name: str, version: int | None = None) -> DeltaTable | None:
    """The table, at a version if one is given; None where it was never written."""
    try:
        return DeltaTable(_python_uri(settings, name), version=version, storage_options=storage_options(settings))
    except TableNotFoundError:
        return None


def version(settings: Settings, name: str) -> int | None:
    """The table's newest Delta version; None where it was never written."""
    table = open_table(settings, name)
    return None if table is None else table.version()


def days(settings: Settings, name: str) -> list[str]:
    """The partitions that hold data, ascending. An empty day leaves no partition: ask `lake.partitions`."""
    table = open_table(settings, name)
    if table is None:
        return []
    return sorted({str(partition[C.DS]) for partition in table.partitions() if partition.get(C.DS)})


def files(settings: Settings, name: str, start: str | None = None, end: str | None = None) -> list[str] | None:
    """Locations of the Parquet files that hold `start <= ds <= end` at the table's newest version.

    Returns:
        Paths or `s3://` addresses; None where files alone do not give the rows (a table that was never written, or one
        with deletion vectors or renamed columns).
    """
    table = open_table(settings, name)
    if table is None or table.protocol().min_reader_version > 1:
        return None
    bounds = [f"{C.DS} {sign} '{day}'" for sign, day in ((">=", start), ("<=", end)) if day is not None]
    return list(table.file_uris(file_pruning_predicate=" AND ".join(bounds) or None))


def read(
    settings: Settings,
    name: str,
    *,
    ds: str | Sequence[str] | None = None,
    start: str | None = None,
    end: str | None = None,
    columns: Sequence[str] | None = None,
    filters: Iterable[tuple[str, str, Any]] = (),
    version: int | None = None,
) -> pa.Table:
    """Rows of a table, with only the partitions asked for opened.

    Args:
        ds: one day or several; `start`/`end` give an inclusive range instead.
        columns: in the order wanted; all by default.
        filters: further conjuncts `(column, operator, value)`, pushed into the Parquet scan.
        version: Delta version to travel to.

    Returns:
        A table with the definition's types; zero rows where the table or the partitions do not exist.
    """
    schema = TABLES[name].arrow_schema()
    wanted = pa.schema([schema.field(column) for column in columns]) if columns else schema
    table = open_table(settings, name, version)
    if table is None:
        return wanted.empty_table()
    predicate: list[tuple[str, str, Any]] = list(filters)
    if ds is not None:
        predicate.append((C.DS, "in", [ds] if isinstance(ds, str) else list(ds)))
    if start is not None:
        predicate.append((C.DS, ">=", start))
    if end is not None:
        predicate.append((C.DS, "<=", end))
    # What partitions tell leaves files out before anything is made of them: a year has hundreds.
    by = TABLES[name].partition_by
    partitions, others = ([each for each in predicate if (each[0] in by) is inside] for inside in (True, False))
    known = {column.name for column in table.schema().fields}
    present = [column for column in wanted.names if column in known]
    data = table.to_pyarrow_table(columns=present, partitions=partitions or None, filters=others or None)
    for name in wanted.names:
        if name not in known:  # written before the column was there
            data = data.append_column(name, pa.nulls(len(data), schema.field(name).type))
    return data.select(wanted.names).cast(pa.schema([f.with_nullable(True) for f in wanted]))


def replace_days(settings: Settings, name: str, data: pa.Table | pads.Dataset, keys: Sequence[str]) -> int:
    """Atomically replace whole partitions of a table.

    Of the tables that Spark makes, `jobs.partitions` hands over what is small enough for one process.

    Args:
        data: rows whose `ds` are all in `keys`; days in `keys` without rows become empty. A data set is read in
            batches, never whole.

    Returns:
        The table's new Delta version.
    """
    stray = _days_of(data) - set(keys)
    if stray:
        raise ValueError(f"{name}: rows of {sorted(stray)} do not belong to the days being replaced, {sorted(keys)}")
    predicate = None
    if open_table(settings, name) is not None:
        predicate = f"{C.DS} in ({', '.join(repr(key) for key in keys)})"
    return _write(settings, name, data, mode="overwrite", predicate=predicate)


def _days_of(data: pa.Table | pads.Dataset) -> set[str]:
    batches = data.to_batches() if isinstance(data, pa.Table) else data.scanner(columns=[C.DS]).to_batches()
    return {day for batch in batches for day in batch.column(C.DS).unique().to_pylist()}


def append(settings: Settings, name: str, data: pa.Table) -> int:
    """Add rows to a `deltalake`-owned table; returns the new Delta version."""
    if TABLES[name].engine != "deltalake":
        raise ValueError(f"{name} is written by {TABLES[name].engine} only")
    return _write(settings, name, data, mode="append")


def _write(
    settings: Settings, name: str, data: pa.Table | pads.Dataset, *, mode: str, predicate: str | None = None
) -> int:
    definition = TABLES[name]
    schema = definition.arrow_schema()
    if definition.engine == "spark":
        # Spark declares every column of a Delta table nullable; the same here, whoever writes first.
        schema = pa.schema([column.with_nullable(True) for column in schema])
    options: dict[str, Any] = {"predicate": predicate} if predicate else {}
    rows: pa.Table | pa.RecordBatchReader
    if isinstance(data, pa.Table):
        rows = data.select(definition.column_names).cast(schema)
    else:
        rows = data.scanner(columns=definition.column_names).to_reader().cast(schema)
    write_deltalake(
        _python_uri(settings, name),
        rows,
        mode=mode,
        partition_by=list(definition.partition_by),
        # A column that a newer version of ours added is NULL in the rows of before.
        schema_mode="merge",
        storage_options=storage_options(settings),
        **options,
    )
    written = version(settings, name)
    assert written is not None
    return written
