"""Which items stand in one basket more often than chance puts them there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, special

from models.interface import Floats, Ints
from models.snapshot import Snapshot

BASKET_ITEMS = 50
"""Distinct items of a basket that count, the latest: what is longer is no choice of things that go together."""

POPULARITY = 0.35
"""Power of a partner's own frequency that divides a pair's excess: 0 favours best-sellers, 0.5 (the cosine) rarities.

Between 0.2 and 0.5 next-basket recall on Online Retail hardly moves (0.31 to 0.32 at 10, see docs/item_lists.md).
"""
PRIOR = 0.1
"""Share of the mean frequency added to a partner's own, so that what was sold once does not lead a list."""


def baskets(snapshot: Snapshot, counted: NDArray[np.bool_]) -> sparse.csr_matrix:
    """Distinct items of each basket, float32 CSR `[baskets, items]` of ones.

    A basket is a session, or a shopper's day where no session is known; events with neither are left out.

    Args:
        counted: bool `[events]`, which events of the snapshot count.
    """
    log, items = snapshot.events, len(snapshot.items)
    at = np.flatnonzero(counted & ((log.session >= 0) | (log.user >= 0)))
    day = np.floor(log.age_days[at]).astype(np.int64)
    # Sessions are numbered from 0, shopper's days below it.
    of_day = -1 - (log.user[at].astype(np.int64) * (int(day.max(initial=0)) + 1) + day)
    _, basket = np.unique(np.where(log.session[at] >= 0, log.session[at], of_day), return_inverse=True)
    latest = np.lexsort((log.item[at], log.age_days[at], basket))
    basket, item = basket[latest], log.item[at][latest]
    _, first = np.unique(basket.astype(np.int64) * max(items, 1) + item, return_index=True)
    first.sort()
    basket, item = basket[first], item[first]
    place = np.arange(len(basket)) - np.searchsorted(basket, basket)
    basket, item = basket[place < BASKET_ITEMS], item[place < BASKET_ITEMS]
    size = int(basket.max(initial=-1)) + 1
    return sparse.csr_matrix((np.ones(len(basket), np.float32), (basket, item)), shape=(size, items))


@dataclass(frozen=True)
class Together:
    """What baskets say of some owners and all items, float32 `[owners, items]` each.

    Attributes:
        strength: 0 where the pair is not beyond chance.
        hint: the same without asking by how much, for owners about whom no more is known.
        lift: baskets with both over those that chance gives; both counts raised by a half, so that rare pairs stay
            near 1.
    """

    strength: Floats
    hint: Floats
    lift: Floats


class Association:
    """Pairs of items that meet in baskets beyond chance.

    A pair's strength for an owner is its excess over what independent items of the same frequencies would give, each
    basket weighing 1 / (items - 1) so that long ones do not drown the others, divided by the partner's frequency to
    the power of `POPULARITY`: lift-corrected, so that best-sellers do not go well with everything.

    Args:
        matrix: as `baskets` gives it.
    """

    def __init__(self, matrix: sparse.csr_matrix) -> None:
        size = np.asarray(matrix.sum(axis=1)).ravel()
        weight = (1.0 / np.maximum(size - 1, 1)).astype(np.float32)
        self._matrix, self._of_item = matrix, matrix.T.tocsr()
        self._weighted = (sparse.diags(weight) @ matrix).tocsr()
        self._count = np.asarray(matrix.sum(axis=0)).ravel()
        self._weight = np.asarray(self._weighted.sum(axis=0)).ravel()
        self._baskets, self._total = max(matrix.shape[0], 1), max(float(weight.sum()), 1e-9)
        mean = float(self._weight.sum()) / max(len(self._weight), 1)
        self._dampening = np.maximum(self._weight + PRIOR * mean, 1e-9) ** POPULARITY

    def of(self, owners: Ints, level: float) -> Together:
        """Pairs of some owners with all items.

        Args:
            level: probability that chance alone gives a pair as many baskets (Poisson), up to which it counts.
        """
        rows = self._of_item[owners]
        count = np.asarray((rows @ self._matrix).toarray(), np.float32)
        weight = np.asarray((rows @ self._weighted).toarray(), np.float32)
        own = np.arange(len(owners))
        count[own, owners] = weight[own, owners] = 0.0
        chance = np.outer(self._count[owners], self._count / self._baskets).astype(np.float32)
        excess = weight - np.outer(self._weight[owners], self._weight / self._total).astype(np.float32)
        hint = np.where(count > chance, np.maximum(excess, 0.0) / self._dampening, 0.0).astype(np.float32)
        beyond, met = np.zeros(count.shape, np.bool_), count > 0
        beyond[met] = special.pdtrc(count[met] - 1, chance[met]) <= level
        return Together(np.where(beyond, hint, np.float32(0)), hint, (count + 0.5) / (chance + 0.5))
