"""The segments' lists that were read last, for the time when Redis is away."""

import threading
from collections import OrderedDict
from dataclasses import dataclass

from storefront.contract import Meta


@dataclass(frozen=True)
class Remembered:
    """A segment's whole list and the version it comes from."""

    meta: Meta
    items: tuple[str, ...]


class Memory:
    """At most `size` lists, the one that was longest unused dropped first; safe to share between threads."""

    def __init__(self, size: int) -> None:
        self._size, self._lock = size, threading.Lock()
        self._lists: OrderedDict[tuple[str, str], Remembered] = OrderedDict()

    def keep(self, surface: str, segment: str, meta: Meta, items: tuple[str, ...]) -> None:
        with self._lock:
            self._lists[surface, segment] = Remembered(meta, items)
            self._lists.move_to_end((surface, segment))
            if len(self._lists) > self._size:
                self._lists.popitem(last=False)

    def get(self, surface: str, segment: str) -> Remembered | None:
        return self._lists.get((surface, segment))
