"""iALS: factors of shoppers and items from implicit feedback (Hu, Koren, Volinsky, ICDM 2008), by `implicit`."""

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from models.candidates import approximate
from models.candidates.history import History
from models.candidates.nearest import nearest_of_history
from models.candidates.nearest_vectors import Index, index_of
from models.candidates.signals import Factors, Signal
from models.config import EventWeights, IalsConfig
from models.interface import Floats, Ints, Reasons
from models.snapshot import Snapshot


def factorise(
    matrix: sparse.csr_matrix, *, factors: int, regularisation: float, alpha: float, iterations: int, seed: int
) -> tuple[Floats, Floats]:
    """Factors whose products rank what a shopper prefers.

    Args:
        matrix: CSR `[users, items]`, how sure a preference is; confidence is `1 + alpha * matrix`.

    Returns:
        float32 `[users, factors]` and `[items, factors]`; zeros for who or what has no entry.
    """
    from implicit.cpu.als import AlternatingLeastSquares

    # implicit runs threads of its own; those of BLAS below them only stand in each other's way.
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=factors, regularization=regularisation, alpha=alpha, iterations=iterations, random_state=seed
        )
        model.fit(matrix.tocsr().astype(np.float32), show_progress=False)
    return np.asarray(model.user_factors, np.float32), np.asarray(model.item_factors, np.float32)


class Ials:
    """iALS over the decayed histories of the snapshot, fitted when it is made ready: it is never older than the day."""

    name = "ials"

    def __init__(
        self, config: IalsConfig, weights: EventWeights, seed: int, approximate_above: int, gpu: bool = False
    ) -> None:
        self.config = config
        self.weights = weights
        self.seed = seed
        self.approximate_above = approximate_above
        self.gpu = gpu

    def prepare(self, snapshot: Snapshot) -> "IalsScorer":
        scorer = IalsScorer(History.of(snapshot, self.weights), self.config, self.seed)
        scorer.index = index_of(scorer.items, scorer.sample, above=self.approximate_above, gpu=self.gpu)
        return scorer


class IalsScorer:
    """See `Ials`; `users` and `items` are float32 `[n, factors]`."""

    def __init__(self, history: History, config: IalsConfig, seed: int) -> None:
        self.history = history
        self.index: Index | None = None
        everybody = np.arange(len(history.ptr) - 1, dtype=np.int32)
        said = np.exp2(-np.maximum(history.last_age, 0.0) / history.memory_days).astype(np.float32)
        matrix = history.matrix(everybody, said)
        if matrix.nnz:
            self.users, self.items = factorise(matrix, **config.model_dump(), seed=seed)
        else:
            self.users, self.items = (np.zeros((size, config.factors), np.float32) for size in matrix.shape)

    def sample(self) -> Floats:
        """Vectors of some users who have one."""
        return self.users[approximate.sample(np.asarray(self.users.any(axis=1)))]

    def signals(self, rows: Ints) -> dict[str, Signal]:
        # Items without an event have zeros, and no product above zero.
        queries = self.users[rows] if len(self.users) else np.zeros((len(rows), self.items.shape[1]), np.float32)
        return {"ials": Factors(queries, self.items, rows >= 0, above=0.0, index=self.index)}

    def explain(self, rows: Ints, items: Ints) -> Reasons:
        """The item of the history whose factors lie closest to the item's."""
        code = np.full(len(rows), "similar", dtype=object)
        return Reasons(code, nearest_of_history(self.history, self.items, rows, items).astype(object))
