"""What is noted about every partition when it is written: an empty day leaves no files, but it leaves a row here."""

from collections.abc import Iterable
from datetime import UTC, datetime

import pyarrow as pa

from lake import storage
from lake.columns import Columns as C
from lake.settings import Settings
from lake.tables import TABLES


def recorded(settings: Settings, name: str) -> dict[str, tuple[int, str]]:
    """The newest row count and content hash of every `ds` of a table."""
    rows = storage.read(settings, "partitions", filters=[("table", "=", name)]).sort_by("delta_version").to_pylist()
    return {row[C.DS]: (row["rows"], row["content_hash"]) for row in rows}


def record(settings: Settings, marks: Iterable[tuple[str, str, int, str]], version: int | None, job: str) -> None:
    """Note partitions that were just written.

    Args:
        marks: name of the table, `ds`, rows and content hash of each.
        version: the table's Delta version that holds them.
        job: who wrote them.
    """
    now = datetime.now(UTC)
    rows = [
        {
            "table": name,
            C.DS: ds,
            "rows": count,
            "content_hash": digest,
            "delta_version": version,
            "job": job,
            "written_ts": now,
        }
        for name, ds, count, digest in marks
    ]
    storage.append(settings, "partitions", pa.Table.from_pylist(rows, TABLES["partitions"].arrow_schema()))
