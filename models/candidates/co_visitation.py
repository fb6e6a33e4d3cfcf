"""Co-visitation: the partners of what the shopper had, by relation, the freshest items of the history first."""

import numpy as np
from scipy import sparse

from models.candidates.history import History
from models.candidates.signals import Signal, Sparse
from models.config import EventWeights
from models.interface import NO_SCORE, Floats, Ints, Reasons
from models.snapshot import RELATIONS, Snapshot

HALF_LIFE_DAYS = 30.0


class CoVisitation:
    """History-weighted sums over the partners of each item, one a relation; the proposal is their sum."""

    name = "co_visitation"

    def __init__(self, weights: EventWeights) -> None:
        self.weights = weights

    def prepare(self, snapshot: Snapshot) -> "CoVisitationScorer":
        return CoVisitationScorer(snapshot, History.of(snapshot, self.weights))


class CoVisitationScorer:
    """See `CoVisitation`."""

    def __init__(self, snapshot: Snapshot, history: History) -> None:
        self.history = history
        self.partners = {name: _without_self(snapshot.co_visitation[name]) for name in RELATIONS}
        self.all: sparse.csr_matrix = sum(self.partners.values(), sparse.csr_matrix((history.items, history.items)))
        self._weight = history.shares(HALF_LIFE_DAYS)
        self._latest = history.share_of(np.where(history.visits_ago == 0, np.log1p(history.weight), 0.0))

    def signals(self, rows: Ints) -> dict[str, Signal]:
        freshest = self.history.matrix(rows, self._weight)
        latest = self.history.matrix(rows, self._latest)
        found: dict[str, Signal] = {"co_visitation": Sparse(_proposals(freshest @ self.all))}
        found |= {f"co_{name}": Sparse(freshest @ partners) for name, partners in self.partners.items()}
        return found | {"co_latest": Sparse(latest @ self.all)}

    def explain(self, rows: Ints, items: Ints) -> Reasons:
        """The item of the history that adds most to the pair's score."""
        code = np.full(len(rows), "co", dtype=object)
        return Reasons(code, strongest(self.history, self._weight, self.all, rows, items).astype(object))


def strongest(history: History, weight: Floats, partners: sparse.csr_matrix, rows: Ints, items: Ints) -> Ints:
    """For each pair the item of the user's history with the largest `weight * partners[item, target]`, -1 if none."""
    best = np.full(len(rows), -1, np.int32)
    table = partners.tocsr()
    table.sort_indices()
    owners = np.repeat(np.arange(table.shape[0], dtype=np.int64), np.diff(table.indptr))
    keys = owners * history.items + table.indices
    chunk = 50_000
    for start in range(0, len(rows), chunk):
        part = slice(start, start + chunk)
        pair, at = history.spans(rows[part])
        if not len(pair) or not len(keys):
            continue
        wanted = history.item[at].astype(np.int64) * history.items + items[part][pair]
        found = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        gain = np.where(keys[found] == wanted, table.data[found] * weight[at], 0.0)
        order = np.lexsort((at, -gain, pair))
        first = order[np.unique(pair[order], return_index=True)[1]]
        told = first[gain[first] > 0]
        best[start + pair[told]] = history.item[at[told]]
    return best


def _without_self(partners: sparse.csr_matrix) -> sparse.csr_matrix:
    kept = partners.tocoo()
    keep = kept.row != kept.col
    return sparse.csr_matrix((kept.data[keep], (kept.row[keep], kept.col[keep])), shape=partners.shape)


def _proposals(product: sparse.csr_matrix) -> sparse.csr_matrix:
    product.data[product.data <= 0] = NO_SCORE
    return product
