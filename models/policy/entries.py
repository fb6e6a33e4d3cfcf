"""What lists are made of while the rules work on them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.interface import Floats, Ints


@dataclass(frozen=True)
class Entries:
    """Entries of lists, sorted by user, then rank.

    Attributes:
        user: position in the users asked for. item: index into `Snapshot.items`. rank: from 1.
        score: the ranker's, moved by the surface's objectives; an entry that filled up a list has less than all others.
        source: position in `SOURCES`.
        probability: that the shopper touches the item soon; NaN where that is not known.
        filled: the entry comes from no candidate source but was needed to reach K, or was placed by a rule.
    """

    user: Ints
    item: Ints
    rank: Ints
    score: Floats
    source: NDArray[np.int8]
    filled: NDArray[np.bool_]
    probability: Floats

    def __len__(self) -> int:
        return len(self.user)

    def take(self, at: NDArray[Any]) -> "Entries":
        """Some entries, by mask or by position."""
        return Entries(*(getattr(self, name)[at] for name in self.__dataclass_fields__))

    def then(self, other: "Entries") -> "Entries":
        """Both together, sorted by user; of a user, these stand before the other's."""
        names = self.__dataclass_fields__
        both = Entries(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in names))
        return both.take(np.argsort(both.user, kind="stable"))
