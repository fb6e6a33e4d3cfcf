"""What goes with a shopper's recent basket: bought together with it, and neither its like nor merely seen beside it."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lake.columns import EVENT_TYPES
from models.interface import Ints
from models.snapshot import Snapshot


def complements(snapshot: Snapshot) -> sparse.csr_matrix:
    """Strength of each pair as complements, float32 CSR `[items, items]`; row = owned, column = complement.

    `bought` and `together` are cosines over baskets. Items that are compared before one of them is bought meet in
    sessions far more often than in purchases, so the strength is `bought - (together - bought)`, at least 0: all of
    `bought` where whoever looks at both also buys both (and in logs of purchases alone), nothing where most only look.
    Two items of one known category are substitutes.
    """
    bought, together = snapshot.co_visitation["bought"], snapshot.co_visitation["together"]
    strength = (2 * bought - together.multiply(bought > 0)).tocoo()
    category = snapshot.catalogue.category
    alike = (category[strength.row] == category[strength.col]) & (category[strength.row] >= 0)
    keep = (strength.data > 0) & ~alike & (strength.row != strength.col)
    cells = (strength.data[keep].astype(np.float32), (strength.row[keep], strength.col[keep]))
    return sparse.csr_matrix(cells, shape=bought.shape)


def recent_baskets(snapshot: Snapshot, days: int) -> sparse.csr_matrix:
    """What each shopper bought or put into the cart on the last day with either, float32 CSR `[users + 1, items]`.

    Args:
        days: an older basket is left out. The last row is empty and stands for shoppers whom nobody knows.
    """
    log, users = snapshot.events, len(snapshot.users)
    kinds = [EVENT_TYPES.index(kind) for kind in ("purchase", "cart")]
    at = np.flatnonzero((log.user >= 0) & np.isin(log.kind, kinds) & (log.age_days < days))
    day = np.floor(log.age_days[at])
    latest = np.full(users, np.inf)
    np.minimum.at(latest, log.user[at], day)
    at = at[day == latest[log.user[at]]]
    cells = (np.ones(len(at), np.float32), (log.user[at], log.item[at]))
    baskets = sparse.csr_matrix(cells, shape=(users + 1, len(snapshot.items)))
    baskets.data[:] = 1.0
    return baskets


class BasketFit:
    """How well items complement shoppers' recent baskets, made ready for a snapshot; immutable."""

    def __init__(self, snapshot: Snapshot, basket_days: int) -> None:
        self._complements = complements(snapshot)
        self._baskets = recent_baskets(snapshot, basket_days)

    def has_basket(self, rows: Ints) -> NDArray[np.bool_]:
        """Whether a recent basket of each shopper is known."""
        return np.asarray(np.diff(self._baskets.indptr)[rows] > 0)

    def strength(self, rows: Ints, user: Ints, item: Ints) -> NDArray[np.float64]:
        """Strength of each pair's item as a complement, summed over its user's basket; 0 where it is none.

        Args:
            rows: the snapshot's row of each user, -1 where unknown.
            user: position in `rows` of each pair. item: of each pair.
        """
        if not len(user):
            return np.zeros(0)
        return np.asarray((self._baskets[rows] @ self._complements)[user, item], dtype=np.float64).ravel()

    def of(self, rows: Ints, user: Ints, item: Ints) -> NDArray[np.float64]:
        """As `strength`, from 0 to 1, 1 being the best among the pairs of its user."""
        fit, best = self.strength(rows, user, item), np.zeros(len(rows))
        np.maximum.at(best, user, fit)
        return fit / np.where(best > 0, best, 1.0)[user]
