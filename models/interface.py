"""The small interface behind which every candidate source stands, and what a scored list looks like.

Words: a *row* is the index of a user in `Snapshot.users`, -1 a user the snapshot does not know (a cold user); an *item*
is an index into `Snapshot.items`; `NO_SCORE` is the value of a pair that a source says nothing about.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from models.candidates.signals import Signal
    from models.snapshot import Snapshot

SOURCES = ("own_items", "co_visitation", "two_tower", "linear", "next_visit", "ials", "popular", "new_items")
"""Candidate sources by name; `Ranked.source` and `lists.source` speak of positions in, or names of, this tuple."""

NO_SCORE = np.float32(-np.inf)
"""The source does not propose this item."""

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Reasons:
    """Why items are shown, one entry a pair: a code of `storefront.contract` and the item or value it rests on."""

    code: NDArray[np.object_]
    value: NDArray[np.object_]


class Scorer(Protocol):
    """A source made ready for one snapshot; immutable, so batches of users may be scored in any order."""

    def signals(self, rows: Ints) -> "dict[str, Signal]":
        """What the ranker sees: the source's proposals under its name first, and whatever else the source knows.

        Args:
            rows: `[batch]` rows of the snapshot's users; -1 is a cold user.

        Returns:
            Signals whose values are never NaN; a row's do not depend on the other rows. The names and their order do
            not depend on `rows`.
        """
        ...

    def explain(self, rows: Ints, items: Ints) -> Reasons:
        """Why the source proposes each pair `(rows[n], items[n])`."""
        ...


class Source(Protocol):
    """One way to find candidates. It may hold what training left behind, never anything of a snapshot."""

    name: str

    def prepare(self, snapshot: "Snapshot") -> Scorer: ...


@dataclass(frozen=True)
class Ranked:
    """Ranked candidates of some users: sorted by user, then score descending, then item ascending.

    Attributes:
        user: int32 `[rows]`, position in the users asked for.
        item: int32 `[rows]`, index into `Snapshot.items`.
        score: float32 `[rows]`, the ranker's; comparable within one user only.
        source: int8 `[rows]`, position in `SOURCES` of the source that ranked the item highest.
        sources_rank: int16 `[rows, len(SOURCES)]`, rank in each source from 1; 0 where the source did not propose it.
        probability: float32 `[rows]`, see `models.ranking.probability`; NaN where the bundle cannot tell.
    """

    user: Ints
    item: Ints
    score: Floats
    source: NDArray[np.int8]
    sources_rank: NDArray[np.int16]
    probability: Floats

    def __len__(self) -> int:
        return len(self.user)

    def lists(self, users: int) -> Iterator[tuple[int, slice]]:
        """Each user's position and the slice that holds the user's rows, empty ones included."""
        edges = np.searchsorted(self.user, np.arange(users + 1))
        for user in range(users):
            yield user, slice(int(edges[user]), int(edges[user + 1]))

    @classmethod
    def concatenate(cls, parts: Sequence["Ranked"]) -> "Ranked":
        """Parts whose users are ascending and do not overlap, as one."""
        if not parts:
            empty = np.zeros(0, np.int32)
            ranks = np.zeros((0, len(SOURCES)), np.int16)
            nothing = np.zeros(0, np.float32)
            return cls(empty, empty, nothing, np.zeros(0, np.int8), ranks, nothing)
        return cls(
            np.concatenate([part.user for part in parts]),
            np.concatenate([part.item for part in parts]),
            np.concatenate([part.score for part in parts]),
            np.concatenate([part.source for part in parts]),
            np.concatenate([part.sources_rank for part in parts]),
            np.concatenate([part.probability for part in parts]),
        )
