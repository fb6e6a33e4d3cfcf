"""Rows of lists on their way to the gate: written as they are made, so that a night needs no memory for them."""

from collections.abc import Iterable
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from jobs.publication.assembling import COLUMNS, ContentHash, assemble
from lake import staging
from lake.columns import Columns as C
from lake.settings import Settings
from lake.tables import TABLES

BATCH_ROWS = 65_536
SCHEMA = pa.schema([column.with_nullable(True) for column in TABLES["lists"].arrow_schema()])


@dataclass(frozen=True)
class Spooled:
    """A file of whole lists: its path, its rows and the hash of their content; hashes of files add up."""

    path: str
    rows: int
    digest: int


class Spool:
    """One file of whole lists being written; nothing is made where there are none."""

    def __init__(self, files: pafs.FileSystem, path: str) -> None:
        self._files, self._path = files, path
        self._writer: pq.ParquetWriter | None = None
        self._rows, self._content = 0, ContentHash()

    def add(self, rows: pa.Table) -> None:
        """Append whole lists."""
        if not len(rows):
            return
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, SCHEMA, filesystem=self._files, compression="zstd")
        rows = rows.select(SCHEMA.names).cast(SCHEMA)
        for lists in assemble(rows.select(list(COLUMNS)).combine_chunks().to_batches(max_chunksize=BATCH_ROWS)):
            self._content.add(lists)
        self._writer.write_table(rows)
        self._rows += len(rows)

    def close(self) -> list[Spooled]:
        """Finish the file; no file, no entry."""
        if self._writer is None:
            return []
        self._writer.close()
        self._writer = None
        return [Spooled(self._path, self._rows, int(self._content.hexdigest(), 16))]


class Files:
    """The files of a night; can be sent to other machines, which write into the same folder.

    Args:
        place: folder in the lake's file system.
    """

    def __init__(self, settings: Settings, place: str) -> None:
        self._settings, self._place, self._count = settings, place, 0

    def spool(self, name: str = "") -> Spool:
        """The next file, or one of a name of its own."""
        self._count += 1
        files, _ = staging.filesystem(self._settings)
        return Spool(files, f"{self._place}/{name or f'{self._count:03d}'}.parquet")

    def dataset(self, spooled: Iterable[Spooled]) -> pads.Dataset:
        """All rows of some files, in their order."""
        paths = [each.path for each in spooled]
        if not paths:
            return pads.dataset(SCHEMA.empty_table())
        files, _ = staging.filesystem(self._settings)
        return pads.dataset(paths, schema=SCHEMA, filesystem=files, format="parquet")

    def owners(self, spooled: Iterable[Spooled]) -> dict[str, int]:
        """How many shoppers, items and segments have a list in some files, by kind."""
        counts = dict.fromkeys(("user", "item", "segment"), 0)
        connection = duckdb.connect(config={"threads": self._settings.threads})
        connection.register("rows", self.dataset(spooled))
        found = connection.sql(f"SELECT {C.KIND}, count(DISTINCT {C.OWNER}) FROM rows GROUP BY ALL").fetchall()
        return counts | {str(kind): int(count) for kind, count in found}
