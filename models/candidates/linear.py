"""Linear: a score is a weighted sum over what the shopper had, item to item, with weights in closed form (EASE)."""

import numpy as np
from scipy import linalg, sparse

from models.candidates.history import History
from models.candidates.nearest import first_largest
from models.config import EventWeights, LinearConfig
from models.interface import NO_SCORE, Floats, Ints, Reasons
from models.snapshot import Snapshot


def ease(matrix: sparse.csr_matrix, regularisation: float) -> Floats:
    """Item-to-item weights of EASE (Steck, WWW 2019): the ridge regression of every item on all the others.

    Args:
        matrix: CSR `[users, items]`.
        regularisation: added to the diagonal of the Gram matrix, in its units.

    Returns:
        float32 `[items, items]`, zero diagonal; `matrix @ weights` are the scores.
    """
    gram = np.asarray((matrix.T @ matrix).toarray(), np.float32)
    gram[np.diag_indices_from(gram)] += regularisation
    inverse = linalg.inv(gram, overwrite_a=True, check_finite=False)
    weights = inverse / -np.diag(inverse)
    weights[np.diag_indices_from(weights)] = 0.0
    return np.asarray(weights, np.float32)


class Linear:
    """EASE over the decayed histories of the snapshot, fitted when it is made ready: it is never older than the day.

    Its cost grows with the cube of the items, so a large catalogue takes part with its most visited items only.
    """

    name = "linear"

    def __init__(self, config: LinearConfig, weights: EventWeights) -> None:
        self.config = config
        self.weights = weights

    def prepare(self, snapshot: Snapshot) -> "LinearScorer":
        return LinearScorer(History.of(snapshot, self.weights), self.config)


class LinearScorer:
    """See `Linear`.

    Attributes:
        items: int32 `[kept]`, the items that take part.
        partners: float32 `[kept, kept]`, weight of having the row's item for the column's.
    """

    def __init__(self, history: History, config: LinearConfig) -> None:
        self.history = history
        self._said: Floats = np.exp2(-np.maximum(history.last_age, 0.0) / history.memory_days).astype(np.float32)
        visits = np.bincount(history.item, minlength=history.items)
        most = np.lexsort((np.arange(len(visits)), -visits))[: config.max_items]
        self.items: Ints = np.sort(most[visits[most] > 0]).astype(np.int32)
        self._place = np.full(history.items, -1, np.int32)
        self._place[self.items] = np.arange(len(self.items))
        everybody = np.arange(len(history.ptr) - 1, dtype=np.int32)
        matrix = self._had(everybody)
        self.partners: Floats = np.zeros((0, 0), np.float32)
        if len(self.items):
            usual = float(matrix.multiply(matrix).sum()) / len(self.items)
            self.partners = ease(matrix, max(config.regularisation * usual, 1e-3))

    def _had(self, rows: Ints) -> sparse.csr_matrix:
        return self.history.matrix(rows, self._said)[:, self.items]

    def scores(self, rows: Ints) -> Floats:
        block = np.full((len(rows), self.history.items), NO_SCORE, np.float32)
        if len(self.items):
            found = np.asarray(self._had(rows) @ self.partners, np.float32)
            block[:, self.items] = np.where(found > 0, found, NO_SCORE)
        return block

    def signals(self, rows: Ints) -> dict[str, Floats]:
        return {"linear": self.scores(rows)}

    def explain(self, rows: Ints, items: Ints) -> Reasons:
        """The item of the history that adds most to the pair's score."""
        code = np.full(len(rows), "co", dtype=object)
        return Reasons(code, self._strongest(rows, items).astype(object))

    def _strongest(self, rows: Ints, items: Ints) -> Ints:
        best = np.full(len(rows), -1, np.int32)
        chunk = 20_000
        for start in range(0, len(rows), chunk):
            pair, at = self.history.spans(rows[start : start + chunk])
            had, wanted = self._place[self.history.item[at]], self._place[items[start + pair]]
            known = (had >= 0) & (wanted >= 0)
            pair, at, had, wanted = pair[known], at[known], had[known], wanted[known]
            gain = self._said[at] * self.partners[had, wanted]
            first = first_largest(pair, gain)
            first = first[gain[first] > 0]
            best[start + pair[first]] = self.history.item[at[first]]
        return best
