"""The day's lists in the lake, pinned at one Delta version and read in batches."""

import contextlib
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

from jobs.publication.assembling import COLUMNS, one_of, plain
from jobs.publication.scattered import Scattered
from jobs.publication.whole_lists import KINDS
from lake import storage
from lake.columns import Columns as C
from lake.errors import BadInput
from lake.settings import Settings

BATCH_ROWS = 2**18
"""Enough that spelling a row group's dictionaries again for each batch does not weigh."""

SORTED_ROWS = 2_000_000
TEXTS = (C.SURFACE, C.KIND, C.OWNER, C.ITEM_ID, C.REASON, C.REASON_ITEM, C.BUNDLE)
"""Columns that are read as dictionaries: Parquet holds them so, and there are few different texts in a row group."""


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
        # It gives back what batches leave free; what Arrow's usual allocator holds grows with their number.
        with contextlib.suppress(NotImplementedError):
            pa.set_memory_pool(pa.jemalloc_memory_pool())
        self.ds = ds
        self._settings = settings
        table = storage.open_table(settings, "lists")
        if table is None or ds not in {str(p[C.DS]) for p in table.partitions()}:
            raise BadInput(f"no lists of {ds} in {settings.lake_root}; make them: python -m jobs.lists --ds {ds}")
        self._dataset = table.to_pyarrow_dataset(
            file_pruning_predicate=f"{C.DS} = '{ds}'",
            parquet_read_options=pads.ParquetReadOptions(dictionary_columns=set(TEXTS)),
        )
        self._measured: dict[str, tuple[Size, Scattered]] = {}

    def surfaces(self) -> list[str]:
        """Surfaces that have lists, or were made and have nothing to show for anybody, ascending."""
        found: set[str] = set()
        for batch in self._scan([]):
            found.update(pc.unique(batch[C.SURFACE]).to_pylist())
        return sorted(found | self._empty())

    def _empty(self) -> set[str]:
        """Surfaces that `jobs.lists` made and found nothing for, by what it recorded last."""
        rows = storage.read(self._settings, "partitions", filters=[(C.DS, "=", self.ds)])
        latest = {row["table"]: row["rows"] for row in rows.sort_by("written_ts").to_pylist()}
        mark = record_name("")
        return {name.removeprefix(mark) for name, count in latest.items() if name.startswith(mark) and not count}

    def batches(self, surface: str) -> Iterator[pa.RecordBatch]:
        """Rows of a surface with `COLUMNS`, the rows of a list in order, together.

        The Delta writer keeps the order of the rows but for a few chunks that it deals out to threads. So rows are
        passed on as they come, save those of lists that do not stand together, which are gathered and sorted: at most
        `SORTED_ROWS` at a time. More are read several times, an owner belonging to one of the readings.
        """
        scattered = self._measure(surface)[1]
        if not scattered.everything:
            for batch in self._scan(COLUMNS, surface):
                yield scattered.others(batch)
        readings = math.ceil(scattered.rows / SORTED_ROWS)
        for reading in range(readings):
            parts = (_share(scattered.mine(batch), reading, readings) for batch in self._scan(COLUMNS, surface))
            yield from _sorted(parts)

    def size(self, surface: str) -> Size:
        """One cheap pass over the columns that cost memory.

        Raises:
            BadInput: the surface was not made that day.
        """
        return self._measure(surface)[0]

    def _measure(self, surface: str) -> tuple[Size, Scattered]:
        if surface in self._measured:
            return self._measured[surface]
        lists, scattered = dict.fromkeys(KINDS, 0), Scattered()
        rows = owners = items = reasons = longest = 0
        bundle = ""
        for batch in self._scan((C.KIND, C.OWNER, C.RANK, C.ITEM_ID, C.REASON_ITEM, C.BUNDLE), surface):
            scattered.look_at(batch)
            rank, kind = batch[C.RANK].to_numpy(), batch[C.KIND]
            first, users = np.flatnonzero(rank == 1), one_of(kind, ["user"])
            for name, count in zip(*_counts(kind.take(pa.array(first))), strict=True):
                lists[name] += count
            rows += len(batch)
            owners += _bytes(batch[C.OWNER].take(pa.array(first)))
            items += _bytes(batch[C.ITEM_ID])
            reasons += _bytes(batch[C.REASON_ITEM].filter(users))
            longest = max(longest, int(rank.max()))
            bundle = batch[C.BUNDLE][0].as_py()
        bundle = bundle or self._any_bundle()
        if not rows and surface not in self._empty():
            raise BadInput(f"no lists of {self.ds} for surface {surface!r}; there are {', '.join(self.surfaces())}")
        self._measured[surface] = Size(lists, rows, owners, items, reasons, longest, bundle), scattered
        return self._measured[surface]

    def _any_bundle(self) -> str:
        """The bundle of the day's lists, whatever their surface."""
        return next((batch[C.BUNDLE][0].as_py() for batch in self._scan([C.BUNDLE])), "")

    def recorded(self, surface: str) -> tuple[str | None, datetime]:
        """Content hash and time that `jobs.lists` left for a surface; None and now where it left none."""
        rows = storage.read(
            self._settings, "partitions", filters=[("table", "=", record_name(surface)), (C.DS, "=", self.ds)]
        )
        if not len(rows):
            return None, datetime.now(UTC)
        newest = rows.sort_by([("written_ts", "descending")]).slice(0, 1).to_pylist()[0]
        return newest["content_hash"], newest["written_ts"]

    def _scan(self, columns: Sequence[str], surface: str | None = None) -> Iterator[pa.RecordBatch]:
        """Batches, none empty, with `columns` and the surface; all surfaces unless one is given."""
        for fragment in self._dataset.get_fragments():
            groups = [group.id for group in fragment.row_groups if surface is None or _may_hold(group, surface)]
            scanner = fragment.subset(row_group_ids=groups).scanner(
                schema=self._dataset.schema,
                columns=[*columns, C.SURFACE],
                batch_size=BATCH_ROWS,
                batch_readahead=1,
                fragment_readahead=1,
            )
            for batch in scanner.to_batches() if groups else ():
                # Filtered here: a filter of the scanner copies even what passes whole.
                if surface is not None and batch[C.SURFACE].dictionary.to_pylist() != [surface]:
                    batch = batch.filter(one_of(batch[C.SURFACE], [surface]))
                if len(batch):
                    yield batch


def record_name(surface: str) -> str:
    """Under which name `partitions` keeps a surface's content hash."""
    return f"lists.{surface}"


def _may_hold(group: Any, surface: str) -> bool:
    """Whether a row group may have rows of a surface, by its statistics."""
    bounds = (group.statistics or {}).get(C.SURFACE)
    return bounds is None or bounds["min"] <= surface <= bounds["max"]


def _share(rows: pa.RecordBatch, reading: int, readings: int) -> pa.RecordBatch:
    """The rows whose owner belongs to a reading."""
    if readings == 1:
        return rows
    owners = rows[C.OWNER]
    belongs = [zlib.crc32(owner.encode()) % readings == reading for owner in owners.dictionary.to_pylist()]
    return rows.filter(pa.array(belongs, pa.bool_()).take(owners.indices))


def _sorted(parts: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows by kind and owner, in the order of first appearance, then rank."""
    found = [plain(part) for part in parts if len(part)]
    if not found:
        return
    rows = pa.Table.from_batches(found).combine_chunks()
    kind, owner = (rows[name].combine_chunks().dictionary_encode().indices.to_numpy() for name in (C.KIND, C.OWNER))
    order = np.lexsort((rows[C.RANK].to_numpy(), owner, kind))
    yield from rows.take(pa.array(order)).to_batches(max_chunksize=SORTED_ROWS)


def _counts(column: pa.Array) -> tuple[list[str], list[int]]:
    counted = pc.value_counts(column)
    return counted.field("values").to_pylist(), counted.field("counts").to_pylist()


def _bytes(column: pa.DictionaryArray) -> int:
    """Of all texts; NULL has none."""
    lengths = pc.binary_length(column.dictionary)
    return pc.sum(lengths.take(column.indices)).as_py() or 0
