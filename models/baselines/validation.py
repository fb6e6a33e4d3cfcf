"""The days before the cut as a small test of their own, on which the baselines' numbers are chosen."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import sparse

from models import metrics
from models.baselines.families import Scores
from models.baselines.light import best_first
from models.interactions import Interactions, batches
from models.interface import Floats, Ints

K = 20
MOST_SHOPPERS = 1_000
"""More shoppers would make tuning longer, hardly better; which ones are taken depends on nothing but their number."""


@dataclass(frozen=True, eq=False)
class Validation:
    """Judged are shoppers with an event before the window and one in it, as in every evaluation.

    Attributes:
        log: what was known before the window.
        rows: int32 `[shoppers]`.
        wanted: boolean CSR `[shoppers, items]`, what they liked in the window.
    """

    log: Interactions
    rows: Ints
    wanted: sparse.csr_matrix

    @classmethod
    def of(cls, whole: Interactions, days: int) -> "Validation":
        """The last `days` days of a log."""
        before, wanted = whole.rewound(days), whole.wanted(days)
        judged = np.flatnonzero((np.diff(before.touched.indptr) > 0) & (np.diff(wanted.indptr) > 0))
        if len(judged) > MOST_SHOPPERS:
            judged = np.sort(np.random.default_rng(0).choice(judged, MOST_SHOPPERS, replace=False))
        return cls(before, judged.astype(np.int32), wanted[judged])

    def ndcg(
        self,
        model: Scores | None,
        own: sparse.csr_matrix,
        popularity: Floats,
        blends: Sequence["Blend"],
        only_new: bool,
    ) -> npt.NDArray[np.float64]:
        """[blends] mean NDCG@20 of each blend's lists; NaN where nobody can be judged."""
        pairs = (self._fresh if only_new else self.wanted).tocoo()
        sizes = np.bincount(pairs.row, minlength=len(self.rows))
        found = np.full((len(blends), len(self.rows)), np.nan)
        for part in batches(len(self.rows), self.log.items):
            rows = self.rows[part]
            scores = scaled(model(rows)) if model else np.float32(0.0)
            mine = own[rows].toarray() if any(blend.own for blend in blends) else np.float32(0.0)
            hidden = self.log.touched[rows].tocoo() if only_new else None
            here = (pairs.row >= part.start) & (pairs.row < part.stop)
            user, item = pairs.row[here] - part.start, pairs.col[here]
            for number, blend in enumerate(blends):
                block = np.array(scores + blend.own * mine + blend.popular * popularity, np.float32, ndmin=2)
                block = np.broadcast_to(block, (len(rows), self.log.items)).copy()
                if hidden is not None:
                    block[hidden.row, hidden.col] = -np.inf
                hit = metrics.hits(best_first(block, K), user, item)
                found[number, part] = metrics.ndcg(hit, sizes[part], K)
        judged = sizes > 0
        return found[:, judged].mean(axis=1) if judged.any() else np.full(len(blends), np.nan)

    @cached_property
    def _fresh(self) -> sparse.csr_matrix:
        had = self.log.touched[self.rows]
        fresh = self.wanted - self.wanted.multiply(had)
        fresh.eliminate_zeros()
        return sparse.csr_matrix(fresh)


@dataclass(frozen=True)
class Blend:
    """Weights of own and of popular items beside a model's scores, which have weight 1."""

    own: float
    popular: float


def scaled(block: Floats) -> Floats:
    """Scores with each row's largest as 1."""
    return np.asarray(block / np.maximum(block.max(axis=1, keepdims=True, initial=0.0), 1e-9), np.float32)
