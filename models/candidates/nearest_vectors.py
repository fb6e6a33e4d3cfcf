"""How the items nearest to a query vector are found: on a GPU, approximately, or by looking at all of them here."""

from collections.abc import Callable
from typing import Protocol

from models.candidates import approximate
from models.candidates.approximate import Approximate
from models.candidates.on_gpu import OnGpu
from models.interface import Floats, Ints


class Index(Protocol):
    """Finds the items with the largest inner products."""

    def search(self, queries: Floats, count: int) -> tuple[Ints, Floats]:
        """Items, int32 `[rows, k]`, best first, and their products, float32."""
        ...


def index_of(items: Floats, sample: Callable[[], Floats], *, above: int, gpu: bool) -> Index | None:
    """The index that pays, or None where `selection.search` is as good.

    Args:
        items: float32 `[items, dim]`.
        sample: some of the queries that will be asked, float32 `[queries, dim]`; asked for where recall is measured.
        above: items beyond which an approximate search pays.
        gpu: search exactly on the first GPU, whatever the size.
    """
    if gpu and len(items):
        return OnGpu(items)
    return Approximate.of(items, sample(), approximate.COUNT) if len(items) > above else None
