"""Next visit: a ridge regression of what shoppers took next on what they had before, item to item.

EASE explains a history by itself; this one is asked the very question that a nightly list is asked. Its examples lie in
the log: wind it back some days, and what each shopper did in the window after is the answer. It so learns what is
bought again, what leads to what, and, since later windows count more, what is coming into season.
"""

import numpy as np
from scipy import linalg, sparse

from models.candidates.history import History
from models.candidates.item_to_item import ItemToItem
from models.candidates.signals import Columns, Signal
from models.config import EventWeights, NextVisitConfig
from models.interactions import Interactions
from models.interface import NO_SCORE, Floats, Ints, Reasons
from models.snapshot import Snapshot
from models.windows import window_days


class NextVisit:
    """Fitted on the snapshot itself when it is made ready, as the other linear models are."""

    name = "next_visit"

    def __init__(self, config: NextVisitConfig, weights: EventWeights) -> None:
        self.config = config
        self.weights = weights

    def prepare(self, snapshot: Snapshot) -> "NextVisitScorer":
        return NextVisitScorer(snapshot, History.of(snapshot, self.weights), self.config)


class NextVisitScorer:
    """See `NextVisit`.

    Attributes:
        items: int32 `[kept]`, the items that take part.
        partners: float32 `[kept, kept]`, weight of having the row's item for the column's; an item's own is that of
            taking it again.
        everybody: float32 `[kept]`, what is added whatever the history.
    """

    def __init__(self, snapshot: Snapshot, history: History, config: NextVisitConfig) -> None:
        self._half_life = 2 * history.memory_days
        said = np.exp2(-np.maximum(history.last_age, 0.0) / self._half_life).astype(np.float32)
        self._model = ItemToItem(history, said, config.max_items)
        self.items = self._model.items
        self.partners: Floats = np.zeros((len(self.items), len(self.items)), np.float32)
        self.everybody: Floats = np.zeros(len(self.items), np.float32)
        if len(self.items) and (days := window_days(snapshot.days_of_history)):
            self._learn(Interactions.of(snapshot), days, config)

    def _learn(self, log: Interactions, days: int, config: NextVisitConfig) -> None:
        """Solve for the weights: `(X' R X + c I) W = X' R Y`, X the histories with a constant, Y what came next."""
        had, took, worth = [], [], []
        step = max(days // 2, 1)
        for number in range(config.windows):
            back = days + number * step
            before, after = log.rewound(back).taste(self._half_life), log.between(back - days, back)
            asked = np.flatnonzero((np.diff(before.indptr) > 0) & (np.diff(after.indptr) > 0))
            had.append(_with_constant(before[asked][:, self.items]))
            took.append(after[asked][:, self.items])
            # A window counts half after `half_life` windows, and a large basket less than its number of items.
            worth.append(np.exp2(-number * step / (config.half_life * days)) / np.sqrt(np.diff(after.indptr)[asked]))
        each = np.concatenate(worth).astype(np.float32)
        if not len(each):
            return
        histories = sparse.vstack(had).tocsr()
        weighted = histories.T.tocsr() @ sparse.diags(each)
        gram = np.asarray((weighted @ histories).toarray(), np.float32)
        gram[np.diag_indices_from(gram)] += max(config.regularisation * float(each.mean()), 1e-6)
        answers = np.asarray((weighted @ sparse.vstack(took).tocsr()).toarray(), np.float32)
        factor = linalg.cho_factor(gram, overwrite_a=True, check_finite=False)
        found = linalg.cho_solve(factor, answers, overwrite_b=True, check_finite=False)
        self.partners, self.everybody = np.asarray(found[:-1], np.float32), np.asarray(found[-1], np.float32)

    def signals(self, rows: Ints) -> dict[str, Signal]:
        had = self._model.had(rows)
        found = np.asarray(_unit(had) @ self.partners, np.float32)
        found += self.everybody
        found[found <= 0] = NO_SCORE
        found[np.diff(had.indptr) == 0] = NO_SCORE
        return {"next_visit": Columns(found, self.items, self._model.place)}

    def explain(self, rows: Ints, items: Ints) -> Reasons:
        """The item of the history that adds most to the pair's score, maybe the item itself."""
        code = np.full(len(rows), "co", dtype=object)
        return Reasons(code, self._model.strongest(self.partners, rows, items).astype(object))


def _unit(had: sparse.csr_matrix) -> sparse.csr_matrix:
    """Rows scaled to length one, so that a long history is no louder than a short one; empty rows stay so."""
    length = np.sqrt(np.asarray(had.multiply(had).sum(axis=1)).ravel())
    return (sparse.diags((1.0 / np.maximum(length, 1e-9)).astype(np.float32)) @ had).tocsr()


def _with_constant(had: sparse.csr_matrix) -> sparse.csr_matrix:
    return sparse.hstack([_unit(had), np.ones((had.shape[0], 1), np.float32)]).tocsr()
