"""Whole lists -> the commands that write them, as the bytes of the wire: RPUSH a list, SET a shopper's reasons.

A command is an array of bulk strings (https://redis.io/docs/latest/develop/reference/protocol-spec/). Made here a batch
at a time by Arrow's `take`, which costs a small part of what packing it value by value in Python does
(docs/decisions/0020).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from jobs.publication.whole_lists import Ints, Lists, bulk_parts, joined, regrouped, spread
from storefront import contract

KEYS = {"user": contract.user_key, "item": contract.item_key, "segment": contract.segment_key}
OK = 0
"""Stands for the reply to a SET among the lengths that RPUSH answers."""


@dataclass(frozen=True)
class Commands:
    """Packed commands, the key of each, and the reply expected: the length of a list, or `OK`."""

    keys: pa.Array
    packed: pa.Array
    replies: Ints

    def __len__(self) -> int:
        return len(self.keys)

    def slice(self, start: int, stop: int) -> "Commands":
        count = stop - start
        return Commands(self.keys.slice(start, count), self.packed.slice(start, count), self.replies[start:stop])

    def take(self, numbers: Sequence[int]) -> "Commands":
        at = np.array(numbers, np.int64)
        return Commands(self.keys.take(pa.array(at)), self.packed.take(pa.array(at)), self.replies[at])

    def wire(self) -> memoryview:
        """The commands one after the other."""
        bounds, data = spread(self.packed)
        return data[bounds[0] : bounds[-1]]


def key_of(surface: str, version: str, kind: str, owner: str) -> str:
    """The key of a list."""
    return KEYS[kind](surface, version, owner)


def encode(lists: Lists, surface: str, version: str) -> list[Commands]:
    """The commands that write some lists: the lists, and where they are shoppers', the reasons."""
    prefix = key_of(surface, version, lists.kind, "")
    found = [_pushes(lists, joined(prefix, lists.owners))]
    if lists.kind == "user":
        found.append(_reasons(lists, joined(contract.why_key(surface, version, ""), lists.owners)))
    return found


def _pushes(lists: Lists, keys: pa.Array) -> Commands:
    items = regrouped(lists.items.words.bulk.take(pa.array(lists.items.codes)), lists.bounds)
    count = pa.array(lists.sizes + 2).cast(pa.string())
    return Commands(keys, joined("*", count, "\r\n$5\r\nRPUSH\r\n", *bulk_parts(keys), items), lists.sizes)


def _reasons(lists: Lists, keys: pa.Array) -> Commands:
    packed = joined("*3\r\n$3\r\nSET\r\n", *bulk_parts(keys), *bulk_parts(lists.why))
    return Commands(keys, packed, np.full(len(lists), OK))
