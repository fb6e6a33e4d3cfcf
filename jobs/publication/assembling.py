"""Rows of `lists` -> whole lists, batch by batch, and the hash of their content."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.columns import Columns as C
from lake.errors import BadInput
from storefront.contract import REASON_CODES

COLUMNS = (C.KIND, C.OWNER, C.RANK, C.ITEM_ID, C.REASON, C.REASON_ITEM)


@dataclass(frozen=True, slots=True)
class WholeList:
    """One list as it stands in Redis: `items` best first, `reasons` as `storefront.contract.encode_reasons` writes."""

    kind: str
    owner: str
    items: list[str]
    reasons: str


def assemble(batches: Iterable[pa.RecordBatch]) -> Iterator[WholeList]:
    """The lists of one surface, in the order of the rows; one batch is held at a time.

    Args:
        batches: rows with `COLUMNS`, sorted by list, then rank from 1. A list may span batches.

    Raises:
        BadInput: a list has a gap or does not stand together, or a reason is unknown.
    """
    tail: pa.RecordBatch | None = None
    for batch in batches:
        if not len(batch):
            continue
        if tail is not None:
            batch = pa.concat_batches([tail, batch.cast(tail.schema)])
        starts = np.flatnonzero(batch[C.RANK].to_numpy() == 1)
        last = int(starts[-1]) if len(starts) else 0
        yield from _whole(batch.slice(0, last))
        tail = batch.slice(last)
    if tail is not None:
        yield from _whole(tail)


def _whole(rows: pa.RecordBatch) -> Iterator[WholeList]:
    if not len(rows):
        return
    ranks = rows[C.RANK].to_numpy()
    starts = np.flatnonzero(ranks == 1)
    sizes = np.diff(np.append(starts, len(ranks)))
    kinds, owners = rows[C.KIND], rows[C.OWNER]
    inside = ranks[1:] != 1
    moved = pc.or_(pc.not_equal(owners[1:], owners[:-1]), pc.not_equal(kinds[1:], kinds[:-1]))
    contiguous = (
        len(starts) and starts[0] == 0 and np.array_equal(ranks, np.arange(len(ranks)) - np.repeat(starts, sizes) + 1)
    )
    if not contiguous or (np.asarray(moved) & inside).any():
        raise BadInput(
            "lists: a list lacks a rank of 1, 2, 3, ... or has one twice: the partition is damaged, or an owner occurs "
            "twice; run `python -m jobs.lists` for the day again"
        )
    lines, items = _reason_lines(rows), rows[C.ITEM_ID].to_pylist()
    at = pa.array(starts)
    for kind, owner, start, size in zip(
        kinds.take(at).to_pylist(), owners.take(at).to_pylist(), starts.tolist(), sizes.tolist(), strict=True
    ):
        stop = start + size
        yield WholeList(kind, owner, items[start:stop], "\n".join(lines[start:stop]))


def _reason_lines(rows: pa.RecordBatch) -> list[str]:
    codes = pa.array(list(REASON_CODES))
    found = pc.index_in(rows[C.REASON], value_set=codes)
    if found.null_count:
        unknown = pc.unique(rows[C.REASON].filter(pc.is_null(found))).to_pylist()
        raise BadInput(f"lists: reasons {unknown} are none of {', '.join(REASON_CODES)}; make the lists again")
    values = pc.fill_null(rows[C.REASON_ITEM], "")
    values = pc.replace_substring(values, "\\", "\\\\")
    values = pc.replace_substring(values, "\n", "\\n")
    chars = pa.array(list(REASON_CODES.values())).take(found)
    lines: list[str] = pc.binary_join_element_wise(chars, values, "").to_pylist()
    return lines


class ContentHash:
    """An order-free hash of lists: the sum of their BLAKE2b-64 modulo 2^64, so that parts can be hashed apart."""

    def __init__(self) -> None:
        self._sum = 0

    def add(self, whole: WholeList) -> None:
        text = "\0".join((whole.kind, whole.owner, *whole.items, whole.reasons))
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        self._sum = (self._sum + int.from_bytes(digest, "big")) & (2**64 - 1)

    def hexdigest(self) -> str:
        """16 hex digits."""
        return f"{self._sum:016x}"
