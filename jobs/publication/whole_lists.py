"""Whole lists of one kind, column by column: what a publication hashes, encodes and reads back.

A night has millions of rows but only thousands of different items, so each distinct text is spelled once (as RESP,
escaped, ...) and a list is a run of codes into the spellings.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storefront.contract import escape_value

Ints = np.ndarray[Any, np.dtype[np.int64]]
Codes = np.ndarray[Any, np.dtype[np.int32]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]

KINDS = ("segment", "item", "user")


@dataclass(frozen=True, slots=True)
class WholeList:
    """One list as it stands in Redis: `items` best first, `reasons` as `storefront.contract.encode_reasons` writes."""

    kind: str
    owner: str
    items: list[str]
    reasons: str


class Words:
    """Distinct texts and their spellings, each made when it is first asked for."""

    def __init__(self, texts: pa.Array) -> None:
        self.texts = texts

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def bulk(self) -> pa.Array:
        """As RESP bulk strings."""
        return bulk_strings(self.texts)

    @cached_property
    def after_nul(self) -> pa.Array:
        """Each behind a NUL."""
        return joined("\0", self.texts)

    @cached_property
    def escaped(self) -> pa.Array:
        """As values of reasons; see `storefront.contract.escape_value`."""
        texts = pc.replace_substring(self.texts, "\\", "\\\\")
        return pc.replace_substring(texts, "\n", "\\n").cast(pa.binary())


@dataclass(frozen=True)
class Column:
    """A column of texts: the distinct ones, and which of them each row has. NULL is the empty text."""

    words: Words
    codes: Codes

    @classmethod
    def of(cls, column: pa.Array) -> "Column":
        coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        texts = pa.concat_arrays([coded.dictionary.cast(pa.string()), pa.array([""])])
        codes = pc.fill_null(coded.indices.cast(pa.int32()), len(texts) - 1)
        return cls(Words(texts), codes.to_numpy())

    def slice(self, start: int, stop: int) -> "Column":
        """Some rows. The words are shared, unless they are far more than these rows have use for."""
        codes = self.codes[start:stop]
        if len(self.words) <= 2 * len(codes):
            return Column(self.words, codes)
        used, places = np.unique(codes, return_inverse=True)
        return Column(Words(self.words.texts.take(pa.array(used))), places.astype(np.int32))


@dataclass(frozen=True)
class Lists:
    """Whole lists of one kind.

    Attributes:
        owners: one a list.
        bounds: list n has the rows `bounds[n]` to `bounds[n + 1]`, best first; one more than there are lists.
        items: item ids, a row each.
        reasons: reason characters, a row each.
        values: what the reasons rest on, a row each.
    """

    kind: str
    owners: pa.Array
    bounds: Ints
    items: Column
    reasons: Column
    values: Column

    def __len__(self) -> int:
        return len(self.owners)

    @property
    def sizes(self) -> Ints:
        """Items of each list."""
        return np.diff(self.bounds)

    def slice(self, start: int, stop: int) -> "Lists":
        """Some of the lists."""
        bounds = self.bounds[start : stop + 1]
        columns = (column.slice(int(bounds[0]), int(bounds[-1])) for column in (self.items, self.reasons, self.values))
        return Lists(self.kind, self.owners[start:stop], bounds - bounds[0], *columns)

    def in_parts(self, rows: int, lists: int) -> Iterator["Lists"]:
        """The same lists, so many at a time that they have about `rows` rows, and at most `lists` of them."""
        start = 0
        while start < len(self):
            stop = int(np.searchsorted(self.bounds, self.bounds[start] + rows, "right")) - 1
            stop = min(max(stop, start + 1), start + lists, len(self))
            yield self.slice(start, stop)
            start = stop

    @cached_property
    def why(self) -> pa.Array:
        """Reasons of each list, as `storefront.contract.encode_reasons` writes them."""
        marks = self.reasons.words.texts.cast(pa.binary())
        pieces = pa.concat_arrays([marks, joined("\n", marks), self.values.words.escaped])
        at = np.empty(2 * len(self.reasons.codes), np.int32)
        at[0::2] = self.reasons.codes + np.int32(len(marks))
        at[0::2][self.bounds[:-1]] -= len(marks)  # no line feed before the first
        at[1::2] = self.values.codes + np.int32(2 * len(marks))
        return regrouped(pieces.take(pa.array(at)), 2 * self.bounds)

    def digest(self) -> int:
        """Sum of the lists' BLAKE2b-64 modulo 2^64.

        A list's text is kind, owner, items and reasons, joined by NUL.
        """
        items = regrouped(self.items.words.after_nul.take(pa.array(self.items.codes)), self.bounds)
        offsets, data = spread(joined(f"{self.kind}\0", self.owners, items, "\0", self.why))
        digests = b"".join(
            hashlib.blake2b(data[start:stop], digest_size=8).digest()
            for start, stop in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
        )
        return int(np.frombuffer(digests, ">u8").sum(dtype=np.uint64))

    def one(self, number: int) -> WholeList:
        """A list by itself."""
        start, stop = self.bounds[number : number + 2]
        items, marks, values = (
            column.words.texts.take(pa.array(column.codes[start:stop])).to_pylist()
            for column in (self.items, self.reasons, self.values)
        )
        reasons = "\n".join(mark + escape_value(value) for mark, value in zip(marks, values, strict=True))
        return WholeList(self.kind, self.owners[number].as_py(), items, reasons)


def joined(*parts: Any) -> pa.Array:
    """Texts side by side, element by element; a `str` stands for itself everywhere."""
    spelled = [pa.scalar(p.encode(), pa.binary()) if isinstance(p, str) else p.cast(pa.binary()) for p in parts]
    return pc.binary_join_element_wise(*spelled, b"")


def bulk_strings(texts: pa.Array) -> pa.Array:
    """RESP bulk strings (https://redis.io/docs/latest/develop/reference/protocol-spec/#bulk-strings)."""
    return joined(*bulk_parts(texts))


def bulk_parts(texts: pa.Array) -> tuple[Any, ...]:
    """What `joined` makes bulk strings of."""
    return "$", pc.binary_length(texts).cast(pa.string()), "\r\n", texts, "\r\n"


def spread(texts: pa.Array) -> tuple[Ints, memoryview]:
    """Where each text begins and ends in the bytes of all of them."""
    _, offsets, data = texts.buffers()
    found = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return found.astype(np.int64), memoryview(data if data is not None else b"")


def regrouped(pieces: pa.Array, bounds: Ints) -> pa.Array:
    """Pieces `bounds[n]` to `bounds[n + 1]` as one text each, without copying."""
    _, offsets, data = pieces.buffers()
    found = np.frombuffer(offsets, np.int32)[pieces.offset + bounds]
    return pa.Array.from_buffers(pa.binary(), len(bounds) - 1, [None, pa.py_buffer(found.astype(np.int32)), data])
