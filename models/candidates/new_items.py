"""New items: arrivals in the categories that the shopper likes, or named like what the shopper had."""

import numpy as np

from models.candidates.history import History
from models.candidates.likeness import title_vectors
from models.candidates.signals import Columns, Signal, Sparse
from models.config import EventWeights
from models.interface import Ints, Reasons
from models.snapshot import Snapshot

NEW_DAYS = 30.0
"""An item is new for this long, or for half of the log's length where that is shorter."""
ANY_CATEGORY = 0.05
"""Share granted to categories that the shopper has not met."""


class NewItems:
    """Arrivals, the freshest first, weighted by the shopper's share of events in their category and by their titles."""

    name = "new_items"

    def __init__(self, weights: EventWeights) -> None:
        self.weights = weights

    def prepare(self, snapshot: Snapshot) -> "NewItemsScorer":
        return NewItemsScorer(snapshot, History.of(snapshot, self.weights))


class NewItemsScorer:
    """See `NewItems`; `fresh` is float32 `[items]`, zero for what is not new."""

    def __init__(self, snapshot: Snapshot, history: History) -> None:
        catalogue = snapshot.catalogue
        age = np.nan_to_num(catalogue.age_days, nan=np.inf)
        limit = min(NEW_DAYS, snapshot.days_of_history / 2)
        sold = np.nan_to_num(snapshot.item_features.get("visitors", np.zeros(len(age), np.float32)))
        appeal = np.log2(2.0 + sold)
        fresh = np.where(age <= limit, np.exp2(-age / max(limit / 2, 1e-6)) * appeal, 0.0)
        self.fresh = np.where(catalogue.in_stock, fresh, 0.0).astype(np.float32)
        self._category = catalogue.category
        self._names = np.array([*catalogue.categories, ""], dtype=object)
        self._affinity = snapshot.category_affinity
        self._new = np.flatnonzero(self.fresh).astype(np.int32)
        self._place = Columns.places(self._new, len(self.fresh))
        self._history = history
        self._share = history.shares(history.memory_days)
        self._titles = title_vectors(list(catalogue.title))
        self._by_word = self._titles.T.tocsr()

    def signals(self, rows: Ints) -> dict[str, Signal]:
        """`alike` says how much items are named like what the shopper had: the mean cosine."""
        alike = (self._history.matrix(rows, self._share) @ self._titles @ self._by_word).tocsr()
        liked = np.zeros((len(rows), self._affinity.shape[1] + 1), np.float32)
        known = rows >= 0
        liked[known, :-1] = self._affinity[rows[known]].toarray()
        named = np.asarray(alike[:, self._new].toarray(), np.float32)
        found = self.fresh[self._new] * (ANY_CATEGORY + liked[:, self._category[self._new]] + named)
        return {"new_items": Columns(found.astype(np.float32), self._new, self._place), "alike": Sparse(alike)}

    def explain(self, rows: Ints, items: Ints) -> Reasons:
        """The item's category; empty where the catalogue gives none."""
        return Reasons(np.full(len(rows), "new", dtype=object), self._names[self._category[items]])
