"""What is noted about every partition when it is written: an empty day leaves no files, but it leaves a row here."""

from lake import storage
from lake.columns import Columns as C
from lake.settings import Settings


def recorded(settings: Settings, name: str) -> dict[str, tuple[int, str]]:
    """The newest row count and content hash of every `ds` of a table."""
    rows = storage.read(settings, "partitions", filters=[("table", "=", name)]).sort_by("delta_version").to_pylist()
    return {row[C.DS]: (row["rows"], row["content_hash"]) for row in rows}
