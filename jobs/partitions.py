"""The one way to replace days of a table that Spark makes: hold the rows, let a gate look at them, write them.

A Delta write by Spark costs seconds of planning and log reading however few the rows are. Up to SMALL_WRITE_ROWS the
driver takes the rows as Arrow instead, gates look at them through DuckDB, and `deltalake` commits them; the table's
content, its transaction log and the recorded hashes are the same either way (decision 0008).
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from operator import add

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake.exceptions import CommitFailedError
from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.spark import conform, described, uri
from lake import storage
from lake.clock import day_end
from lake.columns import Columns as C
from lake.errors import Unavailable
from lake.partitions import Read, record, recorded
from lake.prometheus import metrics as prometheus
from lake.settings import Settings
from lake.tables import TABLES
from lake.tables.definition import Table

log = logging.getLogger("nightshelf.partitions")

HASH = "_hash"
SMALL_TEXT = 512 * 2**20
"""Bytes of text up to which the driver takes rows."""
Marks = dict[str, tuple[int, str]]
"""Rows and order-free content hash of a `ds`."""


@dataclass(frozen=True)
class Held:
    """Rows that are to replace days of a table, computed once: a gate and the write see the same ones.

    Attributes:
        rows: Arrow where they are few, else a checkpointed Spark frame; exactly the table's columns.
        marks: of the days that have rows.
    """

    table: Table
    rows: pa.Table | DataFrame
    marks: Marks


def hold(settings: Settings, name: str, frame: DataFrame, *, checkpointed: bool = False) -> Held:
    """Compute a frame's rows and keep them.

    Args:
        checkpointed: the frame rests on rows that Spark holds, so it need not be kept once more.
    """
    table = TABLES[name]
    frame = conform(frame, table)
    with described(frame.sparkSession, name):
        # Lazy: the rows are made and kept as `_small` counts them, in one job. Not a cache: a Delta write looks the
        # long plan up again, misses the cache and makes the rows anew.
        return _held(settings, table, frame if checkpointed else frame.localCheckpoint(eager=False))


def _held(settings: Settings, table: Table, frame: DataFrame) -> Held:
    if not _small(settings, table, frame):
        hashes = frame.withColumn(HASH, _row_hash(table)).groupBy(C.DS)
        sums = hashes.agg(F.count("*").alias("n"), F.sum(F.col(HASH).cast("decimal(38,0)")).alias("h")).collect()
        return Held(table, frame, {row[C.DS]: (row["n"], _digest(int(row["h"]))) for row in sums})
    # Spark's hash for few rows too: a day is recognised as unchanged whichever way it was written.
    rows = frame.withColumn(HASH, _row_hash(table)).toArrow()
    return Held(table, rows.drop_columns([HASH]), _marks(rows))


def _small(settings: Settings, table: Table, frame: DataFrame) -> bool:
    """Whether the driver can take the rows: few of them, and no rows of kilobytes (a quarantine of broken files)."""
    lengths = [F.coalesce(F.octet_length(c.name), F.lit(0)) for c in table.columns if c.type == "string"]
    found = frame.agg(F.count("*").alias("n"), F.sum(reduce(add, lengths).cast("long")).alias("bytes")).first()
    assert found is not None
    return bool(found["n"] <= settings.small_write_rows and (found["bytes"] or 0) <= SMALL_TEXT)


def _row_hash(table: Table) -> Column:
    columns = [
        F.to_json(F.map_from_entries(F.array_sort(F.map_entries(c.name))))
        if c.type.startswith("map")
        else F.col(c.name)
        for c in table.columns
    ]
    return F.xxhash64(*columns)


def _marks(rows: pa.Table) -> Marks:
    """Marks of Arrow rows with a column of hashes; sums modulo 2**64, as the wide sum of Spark."""
    marks = {}
    for day in pc.unique(rows[C.DS]).to_pylist():
        hashes = rows.filter(pc.equal(rows[C.DS], day))[HASH].to_numpy()
        marks[day] = (len(hashes), _digest(int(np.add.reduce(hashes.astype(np.uint64)))))
    return marks


def _digest(total: int) -> str:
    return f"{total & (2**64 - 1):016x}"


def replace_days(
    settings: Settings, name: str, rows: DataFrame | Held, keys: Sequence[str], job: str, read: Read | None = None
) -> Marks:
    """Atomically replace the partitions `keys` of a table; days whose content did not change are skipped.

    Args:
        rows: a frame, or what `hold` made of it; days of `keys` without rows become empty.
        job: written to `partitions` beside row counts and hashes.
        read: the versions of the tables that the rows were made from, written there too.

    Returns:
        Rows and content hash of every day of `keys`.

    Raises:
        Unavailable: another run wrote the same days at the same time; nothing was replaced.
    """
    if TABLES[name].engine != "spark":
        raise ValueError(f"{name} is written by {TABLES[name].engine} only")
    held = rows if isinstance(rows, Held) else hold(settings, name, rows)
    marks = dict.fromkeys(keys, (0, _digest(0))) | held.marks
    stray = sorted(set(marks) - set(keys))
    if stray:
        raise ValueError(f"{name}: rows of {stray} do not belong to the days being replaced")
    known = recorded(settings, name)
    changed = [key for key in keys if known.get(key) != marks[key]]
    newest = max([*known, *marks], default="")
    if newest in marks:
        prometheus.TABLE_ROWS.tell(marks[newest][0], table=name)
    prometheus.TABLE_THROUGH.tell(day_end(date.fromisoformat(newest)).timestamp() if newest else None, table=name)
    if changed:
        _overwrite(settings, held, changed)
        record(settings, [(name, key, *marks[key]) for key in changed], storage.version(settings, name), job, read)
    log.info(
        "%s: %d rows in %d days, %d days written, %d unchanged",
        name,
        sum(n for n, _ in marks.values()),
        len(keys),
        len(changed),
        len(keys) - len(changed),
    )
    return marks


def _overwrite(settings: Settings, held: Held, keys: Sequence[str]) -> None:
    name, quoted = held.table.name, ", ".join(f"'{key}'" for key in keys)
    try:
        if isinstance(held.rows, pa.Table):
            storage.replace_days(settings, name, held.rows.filter(pc.is_in(held.rows[C.DS], pa.array(keys))), keys)
        else:
            where = f"{C.DS} IN ({quoted})"
            _spark_overwrite(settings, held.table, held.rows.where(where), where, len(keys))
    except AnalysisException:
        raise
    except Exception as error:
        lost = isinstance(error, CommitFailedError) or "Concurrent" in type(error).__name__
        if lost or "DELTA_CONCURRENT" in str(error):
            raise Unavailable(
                f"{name}: another run replaced {quoted} at the same time; nothing of this run was written. "
                f"Run it again once the other has ended."
            ) from error
        raise


def _spark_overwrite(settings: Settings, table: Table, frame: DataFrame, where: str, days: int) -> None:
    writer = frame.coalesce(1) if days == 1 else frame.repartition(C.DS)
    out = writer.write.format("delta").mode("overwrite").partitionBy(*table.partition_by)
    if storage.version(settings, table.name) is not None:
        out = out.option("replaceWhere", where)
    out.save(uri(settings, table.name))
