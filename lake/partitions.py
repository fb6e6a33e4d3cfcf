"""What is noted about every partition when it is written: an empty day leaves no files, but it leaves a row here."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import pyarrow as pa

from lake import code, storage
from lake.columns import Columns as C
from lake.settings import Settings
from lake.tables import TABLES

Read = Mapping[str, Mapping[str, int | str]]
"""Table -> `version` read, and `ds` where one partition of it was."""


def versions(settings: Settings, names: Iterable[str]) -> Read:
    """The tables as they are now, for `record`; take it before they are read. Those never written are left out."""
    found = {name: storage.version(settings, name) for name in names}
    return {name: {"version": version} for name, version in found.items() if version is not None}


def recorded(settings: Settings, name: str) -> dict[str, tuple[int, str]]:
    """The newest row count and content hash of every `ds` of a table."""
    rows = storage.read(settings, "partitions", filters=[("table", "=", name)]).sort_by("delta_version").to_pylist()
    return {row[C.DS]: (row["rows"], row["content_hash"]) for row in rows}


def record(
    settings: Settings,
    marks: Iterable[tuple[str, str, int, str]],
    version: int | None,
    job: str,
    read: Read | None = None,
    written: datetime | None = None,
) -> None:
    """Note partitions that were just written.

    Args:
        marks: name of the table, `ds`, rows and content hash of each.
        version: the table's Delta version that holds them.
        job: who wrote them.
        read: what they were made from, if that is known.
        written: when; now by default.
    """
    now = written or datetime.now(UTC)
    rows = [
        {
            "table": name,
            C.DS: ds,
            "rows": count,
            "content_hash": digest,
            "delta_version": version,
            "job": job,
            "written_ts": now,
            "read": None if read is None else json.dumps(read, sort_keys=True),
            "code": code.version(settings),
        }
        for name, ds, count, digest in marks
    ]
    storage.append(settings, "partitions", pa.Table.from_pylist(rows, TABLES["partitions"].arrow_schema()))
