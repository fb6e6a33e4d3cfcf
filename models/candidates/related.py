"""The lists of items: what goes well with an item, and what may stand in for it.

Complements are bought in one basket beyond chance; substitutes are of one kind, near in price and make, and looked at
together. What is looked at together but bought instead of each other is no complement, however often both are seen.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lake.columns import EVENT_TYPES
from models.candidates.baskets import Association, baskets
from models.candidates.likeness import BRAND, PRICE, VECTOR, Likeness
from models.interface import Floats, Ints
from models.snapshot import Snapshot

BOUGHT, SEEN = 1e-2, 1e-5
"""How improbable by chance a pair's number of baskets, or of sessions, must be: whim fills the many sessions."""

SEEN_WEIGHT = 0.3
"""Weight of an owner's best partner by sessions beside its best by baskets."""

SAME_KIND, NEAR = 0.3, 0.5
"""Likeness of kind, or cosine of vectors, from which two items may stand in for each other."""

INSTEAD = 0.5
"""Lift of being bought together over that of being seen together, below which one is bought instead of the other."""

SEEN_TOGETHER = 0.25
"""Weight of being looked at together among what makes a substitute."""

CELLS = 4_000_000
"""Bound on the dense block of a batch of owners; about a dozen of float32 stand at once."""

COMPLEMENT, SUBSTITUTE = 0, 1


@dataclass(frozen=True)
class Related:
    """Partners of items: sorted by owner, then complements before substitutes, then best first; ties by item.

    Attributes:
        owner: int32 `[rows]`, position in the items asked for.
        item: int32 `[rows]`, index into `Snapshot.items`; an item may be both a complement and a substitute.
        kind: int8 `[rows]`, `COMPLEMENT` or `SUBSTITUTE`.
        score: float32 `[rows]`, of complements above 1, of substitutes up to 1; comparable within an owner only.
        alike: bool `[rows]`, whether kind or vectors say that the two are alike; a substitute may only be looked at
            together.
    """

    owner: Ints
    item: Ints
    kind: NDArray[np.int8]
    score: Floats
    alike: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.owner)

    def take(self, at: NDArray[np.bool_] | NDArray[np.int64]) -> "Related":
        """Some rows, by mask or by position."""
        return Related(*(getattr(self, name)[at] for name in self.__dataclass_fields__))


class RelatedItems:
    """Partners of items, made ready for a snapshot.

    A log of purchases alone knows of no looking, one without purchases of nothing else.

    Args:
        vectors: unit vectors of the items, float32 `[items, dim]`, where a model gives them.
    """

    def __init__(self, snapshot: Snapshot, vectors: Floats | None = None) -> None:
        bought = snapshot.events.kind == EVENT_TYPES.index("purchase")
        self._likeness = Likeness(snapshot, vectors)
        self._bought = Association(baskets(snapshot, bought)) if bought.any() else None
        self._seen = Association(baskets(snapshot, np.ones_like(bought))) if not bought.all() else None
        self._items = len(snapshot.items)

    def of(self, owners: Ints, k: int) -> Related:
        """Partners of some items.

        Args:
            owners: int32 indices into the snapshot's items; -1, an item it does not know, has none.
            k: partners an item and kind; fewer where nothing more is known.
        """
        rows = max(1, CELLS // max(self._items, 1))
        parts = [self._of(owners, start, min(start + rows, len(owners)), k) for start in range(0, len(owners), rows)]
        if not parts or not self._items:
            empty = np.zeros(0, np.int32)
            return Related(empty, empty, np.zeros(0, np.int8), np.zeros(0, np.float32), np.zeros(0, np.bool_))
        names = Related.__dataclass_fields__
        return Related(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def _of(self, asked: Ints, start: int, stop: int, k: int) -> Related:
        known = start + np.flatnonzero(asked[start:stop] >= 0)
        owners = asked[known]
        kind = self._likeness.kind(owners)
        alike = (kind >= SAME_KIND) | (self._likeness.vectors(owners) >= NEAR)
        complements, seen = self._complements(owners, kind)
        found = kind + self._likeness.nearness(owners) + SEEN_TOGETHER * seen
        # Whoever goes well with an item without being of its kind is no stand-in, even if both are looked at.
        fits = (alike | (seen > 0)) & ~((complements > 0) & (kind < SAME_KIND))
        most = 1.0 + PRICE + BRAND + VECTOR + SEEN_TOGETHER
        substitutes = np.where(fits, found / most, 0.0).astype(np.float32)
        above = np.where(complements > 0, 1.0 + complements, 0.0).astype(np.float32)
        parts = []
        for code, score in ((COMPLEMENT, above), (SUBSTITUTE, substitutes)):
            score[np.arange(len(owners)), owners] = 0.0
            row, item = _best(score, k)
            parts.append((known[row], item, np.full(len(row), code, np.int8), score[row, item], alike[row, item]))
        owner, item, codes, score, near = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        order = np.lexsort((codes, owner))
        return Related(
            owner[order].astype(np.int32), item[order].astype(np.int32), codes[order], score[order], near[order]
        )

    def _complements(self, owners: Ints, kind: Floats) -> tuple[Floats, Floats]:
        """Strength as complements, and strength of being seen together (1 = the owner's most), `[owners, items]`."""
        strength, hint, seen = (np.zeros_like(kind) for _ in range(3))
        # Two items of which nothing is told may be of one kind.
        other = (kind < SAME_KIND) & self._likeness.known[owners][:, None] & self._likeness.known
        bought = self._bought.of(owners, BOUGHT) if self._bought else None
        looked = self._seen.of(owners, SEEN) if self._seen else None
        if bought is not None:
            instead = ~other & (bought.lift < INSTEAD * looked.lift) if looked is not None else np.zeros_like(other)
            strength, hint = (np.where(instead, np.float32(0), each) for each in (bought.strength, bought.hint))
        if looked is not None:
            seen = _scaled(looked.strength)
        strength = np.where(other, _scaled(strength) + np.float32(SEEN_WEIGHT) * seen, _scaled(strength))
        # An item sold once or twice has the company of that once: more than the shop's best-sellers say of it.
        unknown = ~strength.any(axis=1)
        strength[unknown] = _scaled(hint[unknown])
        return strength, seen


def _best(score: Floats, k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of the k largest positive cells of each row, the largest first, ties by column."""
    enough = min(k, score.shape[1]) - 1
    least = -np.partition(-score, enough, axis=1)[:, enough] if enough >= 0 else np.full(len(score), np.inf)
    row, column = np.nonzero((score > 0) & (score >= least[:, None]))
    order = np.lexsort((column, -score[row, column], row))
    row, column = row[order], column[order]
    first = np.arange(len(row)) - np.searchsorted(row, row) < k
    return row[first], column[first]


def _scaled(strength: Floats) -> Floats:
    """Rows divided by their largest; a row of zeros stays so."""
    return strength / np.maximum(strength.max(axis=1, keepdims=True, initial=0.0), 1e-9)
