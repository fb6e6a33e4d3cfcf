"""The day's lists in the lake, pinned at one Delta version and read in batches."""

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads

from jobs.publication.assembling import COLUMNS
from lake import storage
from lake.columns import Columns as C
from lake.errors import BadInput
from lake.settings import Settings

BATCH_ROWS = 65_536
SORTED_ROWS = 2_000_000
KINDS = ("segment", "item", "user")
"""In the order of loading: the fallbacks first."""


@dataclass(frozen=True)
class Size:
    """What a surface's lists amount to: lists by kind, rows, bytes of text (ids, items, reason values)."""

    lists: dict[str, int]
    rows: int
    owner_bytes: int
    item_bytes: int
    reason_bytes: int
    longest: int
    bundle: str


class ListsPartition:
    """The `lists` rows of one day; every read sees the same Delta version."""

    def __init__(self, settings: Settings, ds: str) -> None:
        """
        Raises:
            BadInput: the day has no lists.
        """
        self.ds = ds
        self._settings = settings
        table = storage.open_table(settings, "lists")
        if table is None or ds not in {str(p[C.DS]) for p in table.partitions()}:
            raise BadInput(f"no lists of {ds} in {settings.lake_root}; make them: python -m jobs.lists --ds {ds}")
        self._dataset = table.to_pyarrow_dataset()

    def surfaces(self) -> list[str]:
        """Surfaces that have lists, or were made and have nothing to show for anybody, ascending."""
        found: set[str] = set()
        for batch in self._scan([C.SURFACE], pads.field(C.DS) == self.ds):
            found.update(pc.unique(batch[C.SURFACE]).to_pylist())
        return sorted(found | self._empty())

    def _empty(self) -> set[str]:
        """Surfaces that `jobs.lists` made and found nothing for, by what it recorded last."""
        rows = storage.read(self._settings, "partitions", filters=[(C.DS, "=", self.ds)])
        latest = {row["table"]: row["rows"] for row in rows.sort_by("written_ts").to_pylist()}
        mark = record_name("")
        return {name.removeprefix(mark) for name, count in latest.items() if name.startswith(mark) and not count}

    def batches(self, surface: str) -> Iterator[pa.RecordBatch]:
        """Rows of a surface with `COLUMNS`: segments, then items, then users; the rows of a list in order, together.

        The Delta writer deals rows out to threads, so their order in the file says nothing. They are sorted here, at
        most `SORTED_ROWS` at a time: larger tables are read several times, an owner belonging to one of the readings.
        """
        for kind in KINDS:
            mine = self._of(surface) & (pads.field(C.KIND) == kind)
            readings = max(1, math.ceil(self._dataset.count_rows(filter=mine) / SORTED_ROWS))
            for reading in range(readings):
                parts = (_share(batch, reading, readings) for batch in self._scan(COLUMNS, mine))
                yield from _sorted(pa.Table.from_batches([part for part in parts if len(part)], self._schema()))

    def _schema(self) -> pa.Schema:
        return pa.schema([self._dataset.schema.field(name) for name in COLUMNS])

    def size(self, surface: str) -> Size:
        """One cheap pass over the columns that cost memory.

        Raises:
            BadInput: the surface was not made that day.
        """
        lists = dict.fromkeys(KINDS, 0)
        rows = owners = items = reasons = longest = 0
        bundle = ""
        columns = (C.KIND, C.OWNER, C.RANK, C.ITEM_ID, C.REASON_ITEM, C.BUNDLE)
        for batch in self._scan(columns, self._of(surface)):
            if not len(batch):
                continue
            first = batch.filter(pc.equal(batch[C.RANK], 1))
            for kind, count in zip(*_counts(first[C.KIND]), strict=True):
                lists[kind] += count
            rows += len(batch)
            owners += _bytes(first[C.OWNER])
            items += _bytes(batch[C.ITEM_ID])
            reasons += _bytes(batch.filter(pc.equal(batch[C.KIND], "user"))[C.REASON_ITEM])
            longest = max(longest, pc.max(batch[C.RANK]).as_py())
            bundle = batch[C.BUNDLE][0].as_py()
        bundle = bundle or self._any_bundle()
        if not rows and surface not in self._empty():
            raise BadInput(f"no lists of {self.ds} for surface {surface!r}; there are {', '.join(self.surfaces())}")
        return Size(lists, rows, owners, items, reasons, longest, bundle)

    def _any_bundle(self) -> str:
        """The bundle of the day's lists, whatever their surface."""
        names = (
            batch[C.BUNDLE][0].as_py() for batch in self._scan([C.BUNDLE], pads.field(C.DS) == self.ds) if len(batch)
        )
        return next(names, "")

    def recorded(self, surface: str) -> tuple[str | None, datetime]:
        """Content hash and time that `jobs.lists` left for a surface; None and now where it left none."""
        rows = storage.read(
            self._settings, "partitions", filters=[("table", "=", record_name(surface)), (C.DS, "=", self.ds)]
        )
        if not len(rows):
            return None, datetime.now(UTC)
        newest = rows.sort_by([("written_ts", "descending")]).slice(0, 1).to_pylist()[0]
        return newest["content_hash"], newest["written_ts"]

    def _of(self, surface: str) -> Any:
        return (pads.field(C.DS) == self.ds) & (pads.field(C.SURFACE) == surface)

    def _scan(self, columns: Sequence[str], condition: Any) -> Iterator[pa.RecordBatch]:
        scanner = self._dataset.scanner(
            columns=list(columns), filter=condition, batch_size=BATCH_ROWS, batch_readahead=2, fragment_readahead=1
        )
        yield from scanner.to_batches()


def record_name(surface: str) -> str:
    """Under which name `partitions` keeps a surface's content hash."""
    return f"lists.{surface}"


def _share(rows: pa.RecordBatch, reading: int, readings: int) -> pa.RecordBatch:
    """The rows whose owner belongs to a reading."""
    if readings == 1:
        return rows
    owners = rows[C.OWNER].dictionary_encode()
    belongs = [zlib.crc32(owner.encode()) % readings == reading for owner in owners.dictionary.to_pylist()]
    return rows.filter(pa.array(belongs, pa.bool_()).take(owners.indices))


def _sorted(rows: pa.Table) -> Iterator[pa.RecordBatch]:
    """Rows by owner, in the order of first appearance, then rank."""
    if not len(rows):
        return
    owner = rows[C.OWNER].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    rank = rows[C.RANK].to_numpy()
    order = np.argsort(owner * (int(rank.max()) + 1) + rank, kind="stable")
    yield from rows.take(pa.array(order)).combine_chunks().to_batches(max_chunksize=BATCH_ROWS)


def _counts(column: pa.Array) -> tuple[list[str], list[int]]:
    counted = pc.value_counts(column)
    return counted.field("values").to_pylist(), counted.field("counts").to_pylist()


def _bytes(column: pa.Array) -> int:
    return pc.sum(pc.binary_length(column)).as_py() or 0
