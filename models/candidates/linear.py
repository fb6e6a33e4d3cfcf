"""Linear: a score is a weighted sum over what the shopper had, item to item, with weights in closed form (EASE)."""

import numpy as np
from scipy import linalg, sparse

from models.candidates.history import History
from models.candidates.item_to_item import ItemToItem
from models.candidates.signals import Columns, Signal
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
        said: Floats = np.exp2(-np.maximum(history.last_age, 0.0) / history.memory_days).astype(np.float32)
        self._model = ItemToItem(history, said, config.max_items)
        self.items = self._model.items
        matrix = self._model.had(np.arange(len(history.ptr) - 1, dtype=np.int32))
        self.partners: Floats = np.zeros((0, 0), np.float32)
        if len(self.items):
            usual = float(matrix.multiply(matrix).sum()) / len(self.items)
            self.partners = ease(matrix, max(config.regularisation * usual, 1e-3))

    def signals(self, rows: Ints) -> dict[str, Signal]:
        found = np.asarray(self._model.had(rows) @ self.partners, np.float32)
        found[found <= 0] = NO_SCORE
        return {"linear": Columns(found, self.items, self._model.place)}

    def explain(self, rows: Ints, items: Ints) -> Reasons:
        """The item of the history that adds most to the pair's score."""
        code = np.full(len(rows), "co", dtype=object)
        return Reasons(code, self._model.strongest(self.partners, rows, items).astype(object))
