"""Approximate search, for catalogues so large that looking at every item takes longer than it is worth.

An inverted file (faiss `IndexIVFFlat`) sorts the items into cells by their vectors and looks into the cells nearest to
a query. How many cells is not guessed: on a sample of the queries at hand the answer is held against the exact one, and
cells are added until the wanted recall is reached. Where that takes too many, the search stays exact.
"""

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.candidates import selection
from models.interface import Floats, Ints

log = logging.getLogger("nightshelf.approximate")

SAMPLE = 256
"""Queries that recall is measured on, each time an index is made."""
COUNT, RECALL = 100, 0.98
"""Recall wanted, and of how many items."""
MOST_CELLS = 0.25
"""Share of the cells beyond which an exact search is as quick."""
ITEMS_A_CELL_IN_TRAINING = 64


class Approximate:
    """An index of a snapshot's item vectors.

    Attributes:
        recall: measured against the exact answer.
        cells: how many are looked into, of `of_cells`.
    """

    def __init__(self, index: Any, cells: int, of_cells: int, recall: float) -> None:
        self._index, self.cells, self.of_cells, self.recall = index, cells, of_cells, recall

    @classmethod
    def of(cls, items: Floats, queries: Floats, count: int) -> "Approximate | None":
        """Index the items, or None where that would not pay.

        Args:
            items: float32 `[items, dim]`.
            queries: float32 `[queries, dim]`, a sample of those that will be asked.
            count: items asked for.
        """
        import faiss

        cells = int(4 * np.sqrt(len(items)))
        if not len(queries):
            return None
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(items.shape[1]), items.shape[1], cells, faiss.METRIC_INNER_PRODUCT)
        taught = sample(np.ones(len(items), np.bool_), ITEMS_A_CELL_IN_TRAINING * cells)
        index.train(items[taught])
        index.add(items)
        exact, _ = selection.search(queries, items, count)
        probes, recall = max(cells // 256, 1), 0.0
        while probes <= MOST_CELLS * cells:
            index.nprobe = probes
            recall = _recall(index.search(queries, count)[1], exact)
            if recall >= RECALL:
                log.info("%d items: %d of %d cells give recall@%d %.4f", len(items), probes, cells, count, recall)
                return cls(index, probes, cells, recall)
            probes *= 2
        log.warning("%d items: no index gives recall@%d %.2f (%.4f); exact", len(items), count, RECALL, recall)
        return None

    def search(self, queries: Floats, count: int) -> tuple[Ints, Floats]:
        """As `selection.search`, nearly."""
        value, found = self._index.search(queries, count)
        return found.astype(np.int32), value


def sample(wanted: NDArray[np.bool_], size: int = SAMPLE) -> Ints:
    """Some of the places that are wanted, the same each time, ascending."""
    places = np.flatnonzero(wanted).astype(np.int32)
    return np.sort(np.random.default_rng(0).permutation(places)[:size])


def _recall(found: Ints, exact: Ints) -> float:
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, exact, strict=True)]))
