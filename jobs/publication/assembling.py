"""Rows of `lists` -> whole lists, batch by batch, and the hash of their content."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.publication.whole_lists import Column, Flags, Lists, Words
from lake.columns import Columns as C
from lake.errors import BadInput
from storefront.contract import REASON_CODES

COLUMNS = (C.KIND, C.OWNER, C.RANK, C.ITEM_ID, C.REASON, C.REASON_ITEM)


def assemble(batches: Iterable[pa.RecordBatch]) -> Iterator[Lists]:
    """The lists of one surface, in the order of the rows; one batch is held at a time.

    Args:
        batches: rows with `COLUMNS`, sorted by list, then rank from 1. A list may span batches.

    Raises:
        BadInput: a list has a gap or does not stand together, or a reason is unknown.
    """
    tail: pa.RecordBatch | None = None
    for batch in batches:
        starts = np.flatnonzero(batch[C.RANK].to_numpy() == 1)
        if not len(starts):
            tail = batch if tail is None else _end_to_end(tail, batch)
            continue
        first, last = int(starts[0]), int(starts[-1])
        if tail is not None or first:
            # Only the list across the border is copied: the batches' dictionaries differ.
            yield from _whole(batch.slice(0, first) if tail is None else _end_to_end(tail, batch.slice(0, first)))
        yield from _whole(batch.slice(first, last - first))
        tail = batch.slice(last)
    if tail is not None:
        yield from _whole(tail)


def _end_to_end(one: pa.RecordBatch, other: pa.RecordBatch) -> pa.RecordBatch:
    return pa.concat_batches([plain(one), plain(other)])


def plain(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The rows without dictionaries."""
    types = [pa.int32() if name == C.RANK else pa.string() for name in rows.schema.names]
    columns = [column.cast(kind) for column, kind in zip(rows.columns, types, strict=True)]
    return pa.RecordBatch.from_arrays(columns, names=rows.schema.names)


def _whole(rows: pa.RecordBatch) -> Iterator[Lists]:
    if not len(rows):
        return
    ranks = rows[C.RANK].to_numpy()
    starts = np.flatnonzero(ranks == 1)
    bounds = np.append(starts, len(ranks))
    kinds, owners = rows[C.KIND], rows[C.OWNER]
    contiguous = (
        len(starts)
        and starts[0] == 0
        and np.array_equal(ranks, np.arange(len(ranks)) - np.repeat(starts, np.diff(bounds)) + 1)
    )
    if not contiguous or ((changes(owners) | changes(kinds)) & (ranks[1:] != 1)).any():
        raise BadInput(
            "lists: a list lacks a rank of 1, 2, 3, ... or has one twice: the partition is damaged, or an owner occurs "
            "twice; run `python -m jobs.lists` for the day again"
        )
    at = pa.array(starts)
    whole = Lists(
        "",
        owners.take(at).cast(pa.string()),
        bounds,
        Column.of(rows[C.ITEM_ID]),
        _characters(rows[C.REASON]),
        Column.of(rows[C.REASON_ITEM]),
    )
    names = kinds.take(at)
    borders = [0, *(np.flatnonzero(changes(names)) + 1).tolist(), len(whole)]
    for start, stop in pairwise(borders):
        yield replace(whole.slice(start, stop), kind=names[start].as_py())


def changes(column: pa.Array) -> Flags:
    """Whether a row's text is another than that of the row before; one shorter than the column."""
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    codes = coded.indices.to_numpy()
    return codes[1:] != codes[:-1]


def one_of(column: pa.DictionaryArray, texts: Collection[str]) -> pa.Array:
    """Whether each row's text is one of some."""
    return pc.is_in(column.dictionary, value_set=pa.array(sorted(texts), pa.string())).take(column.indices)


def _characters(reasons: pa.Array) -> Column:
    """Reason codes as the characters that stand for them."""
    given = Column.of(reasons)
    known = pc.fill_null(pc.index_in(given.words.texts, value_set=pa.array(list(REASON_CODES))), -1).to_numpy()
    codes = known[given.codes].astype(np.int32)
    if (codes < 0).any():
        unknown = given.words.texts.take(pa.array(np.unique(given.codes[codes < 0]))).to_pylist()
        raise BadInput(f"lists: reasons {unknown} are none of {', '.join(REASON_CODES)}; make the lists again")
    return Column(Words(pa.array(list(REASON_CODES.values()))), codes)


class ContentHash:
    """An order-free hash of lists: the sum of their BLAKE2b-64 modulo 2^64, so that parts can be hashed apart."""

    def __init__(self) -> None:
        self._sum = 0

    def add(self, lists: Lists) -> None:
        self.add_digest(lists.digest())

    def add_digest(self, digest: int) -> None:
        """Take in lists that were hashed elsewhere; see `Lists.digest`."""
        self._sum = (self._sum + digest) & (2**64 - 1)

    def hexdigest(self) -> str:
        """16 hex digits."""
        return f"{self._sum:016x}"
