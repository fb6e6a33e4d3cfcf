"""Sets of (user, item) pairs as sorted integers: membership of millions of pairs in one search."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.interface import Ints


@dataclass(frozen=True)
class Pairs:
    """A set of pairs; `keys` are `user * items + item`, ascending and distinct."""

    keys: NDArray[np.int64]
    items: int

    @classmethod
    def of(cls, user: Ints, item: Ints, items: int) -> "Pairs":
        """The distinct pairs; users below 0 (anonymous, cold) are left out."""
        known = user >= 0
        return cls(np.unique(user[known].astype(np.int64) * items + item[known]), items)

    def has(self, user: Ints, item: Ints) -> NDArray[np.bool_]:
        """Whether each pair `(user[n], item[n])` is in the set; never for users below 0."""
        if not len(self.keys):
            return np.zeros(len(user), np.bool_)
        asked = user.astype(np.int64) * self.items + item
        at = np.minimum(np.searchsorted(self.keys, asked), len(self.keys) - 1)
        return (self.keys[at] == asked) & (user >= 0)
