"""What linear item-to-item models share: which items take part, and shoppers as rows over them."""

import numpy as np
from scipy import sparse

from models.candidates.history import History
from models.candidates.nearest import CHUNK, first_largest
from models.candidates.signals import Columns
from models.interface import Floats, Ints


class ItemToItem:
    """Weighted histories over the most visited items; a large catalogue takes part with those only.

    Args:
        said: float32 `[pairs]`, weight of each pair of the history.
        most: how many items take part at most, since cost is their cube.

    Attributes:
        items: int32 `[kept]`, the items that take part, ascending.
        place: int32 `[items of the catalogue]`, where each stands among them, -1 where it takes no part.
    """

    def __init__(self, history: History, said: Floats, most: int) -> None:
        self.history, self._said = history, said
        visits = np.bincount(history.item, minlength=history.items)
        ranking = np.lexsort((np.arange(len(visits)), -visits))[:most]
        self.items: Ints = np.sort(ranking[visits[ranking] > 0]).astype(np.int32)
        self.place = Columns.places(self.items, history.items)

    def had(self, rows: Ints) -> sparse.csr_matrix:
        """Weighted histories of some users, float32 CSR `[rows, kept]`."""
        return self.history.matrix(rows, self._said)[:, self.items]

    def strongest(self, partners: Floats, rows: Ints, items: Ints) -> Ints:
        """For each pair the item of the user's history that adds most to the score, int32, -1 where none adds anything.

        Args:
            partners: float32 `[kept, kept]`, weight of having the row's item for the column's.
        """
        best = np.full(len(rows), -1, np.int32)
        for start in range(0, len(rows), CHUNK):
            pair, at = self.history.spans(rows[start : start + CHUNK])
            had, wanted = self.place[self.history.item[at]], self.place[items[start + pair]]
            known = (had >= 0) & (wanted >= 0)
            pair, at, had, wanted = pair[known], at[known], had[known], wanted[known]
            gain = self._said[at] * partners[had, wanted]
            first = first_largest(pair, gain)
            first = first[gain[first] > 0]
            best[start + pair[first]] = self.history.item[at[first]]
        return best
