"""Ranked candidates -> the lists of a surface: stock, repeats, novelty, variety, filled up to K."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.interface import SOURCES, Floats, Ints, Ranked
from models.policy import diversity, repeats, segments, stock
from models.policy.pairs import Pairs
from models.snapshot import Snapshot
from models.surfaces import Surface

POPULAR = SOURCES.index("popular")
NEVER = np.iinfo(np.int16).max
FILL_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Entries:
    """Entries of lists, sorted by user, then rank.

    Attributes:
        user: position in the users asked for. item: index into `Snapshot.items`. rank: from 1.
        score: the ranker's; an entry that filled up a list has less than all others.
        source: position in `SOURCES`.
        filled: the entry comes from no candidate source but was needed to reach K.
    """

    user: Ints
    item: Ints
    rank: Ints
    score: Floats
    source: NDArray[np.int8]
    filled: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.user)

    def take(self, at: NDArray[Any]) -> "Entries":
        """Some entries, by mask or by position."""
        return Entries(*(getattr(self, name)[at] for name in self.__dataclass_fields__))


class SurfacePolicy:
    """One surface's rules made ready for a snapshot; immutable.

    Attributes:
        allowed: bool `[items]`, what the stock rule lets through.
        touched: bool `[items]`, whether anybody ever did anything with the item.
        filler: what fills up a short list: the popular first, then what nobody has touched, the latest first.
    """

    def __init__(self, surface: Surface, snapshot: Snapshot, k: int) -> None:
        self.surface, self.k = surface, k
        items = len(snapshot.items)
        everything = np.ones(items, np.bool_)
        self.allowed = snapshot.catalogue.in_stock if surface.rules.in_stock else everything
        self._category = snapshot.catalogue.category
        self._hidden = self._hide(snapshot, items)
        shares = segments.popularity(snapshot)
        self.touched = shares > 0
        untouched = np.flatnonzero(self.allowed & ~self.touched)
        age = np.nan_to_num(snapshot.catalogue.age_days[untouched], nan=np.inf)
        latest_first = untouched[np.argsort(age, kind="stable")]
        self.filler = np.concatenate([segments.by_popularity(shares, self.allowed), latest_first]).astype(np.int32)

    def _hide(self, snapshot: Snapshot, items: int) -> list[Pairs]:
        hidden = []
        if self.surface.only_new:
            hidden.append(Pairs.of(snapshot.events.user, snapshot.events.item, items))
        rule = self.surface.rules.recently_bought
        if rule is not None and rule.days:
            hidden.append(repeats.recently_bought(snapshot.events, items, rule.days, rule.repurchase_rate))
        return hidden

    def lists(self, ranked: Ranked, rows: Ints) -> Entries:
        """The K best of each user that the rules let through.

        Args:
            rows: the snapshot's row of each user that `ranked.user` counts in, -1 for one it does not know.

        Returns:
            A list is shorter than K only where the catalogue has no more that may be shown, and missing where it
            would have less than `min_items`.
        """
        kept = self._kept(self._candidates(ranked), rows)
        size = 2 * self.k
        short = self._short(kept, len(rows))
        while len(short) and len(self.filler):
            # The bound on an array of fillers, entries; lists are rarely short, and then of few users.
            for users in np.array_split(short, int(np.ceil(len(short) * min(size, len(self.filler)) / FILL_AT_ONCE))):
                kept = self._filled(kept, users, self.filler[:size], rows)
            if size >= len(self.filler):
                break
            short, size = self._short(kept, len(rows)), 4 * size
        enough = np.bincount(kept.user, minlength=len(rows)) >= self.surface.rules.min_items
        return kept.take(enough[kept.user])

    def _short(self, kept: Entries, users: int) -> Ints:
        return np.flatnonzero(np.bincount(kept.user, minlength=users) < self.k).astype(np.int32)

    def _candidates(self, ranked: Ranked) -> Entries:
        """The ranked candidates of the surface's sources, each told by the one of them that ranked it highest."""
        source, proposed = ranked.source, np.ones(len(ranked), np.bool_)
        wanted = np.array([SOURCES.index(name) for name in self.surface.sources], np.int8)
        if len(wanted) < len(SOURCES):
            ranks = np.where(ranked.sources_rank[:, wanted] > 0, ranked.sources_rank[:, wanted], NEVER)
            proposed = ranks.min(axis=1) < NEVER
            source = np.where(np.isin(source, wanted), source, wanted[ranks.argmin(axis=1)])
        nothing, no_fill = np.zeros(len(ranked), np.int32), np.zeros(len(ranked), np.bool_)
        return Entries(ranked.user, ranked.item, nothing, ranked.score, source, no_fill).take(proposed)

    def _kept(self, entries: Entries, rows: Ints) -> Entries:
        """Apply every rule to entries in their order of preference within ascending users, and cut at K."""
        mask = stock.in_stock(entries.item, self.allowed) & repeats.first_of_pair(entries.user, entries.item)
        for hidden in self._hidden:
            mask &= ~hidden.has(rows[entries.user], entries.item)
        left = entries.take(mask)
        share = self.surface.rules.max_per_category
        back = diversity.demoted(left.user, self._category[left.item], self.k, share)
        # What fills up stays behind what was found for the shopper, however much of one category that is.
        left = left.take(np.lexsort((np.arange(len(left)), back, left.filled, left.user)))
        rank = (diversity.position_in_group(left.user, np.zeros_like(left.user)) + 1).astype(np.int32)
        return replace(left, rank=rank).take(rank <= self.k)

    def _filled(self, kept: Entries, short: Ints, filler: Ints, rows: Ints) -> Entries:
        """The short lists with filler behind what they have; the others as they are."""
        is_short = np.zeros(len(rows), np.bool_)
        is_short[short] = True
        done, begun = kept.take(~is_short[kept.user]), kept.take(is_short[kept.user])
        lowest = np.zeros(len(rows), np.float32)
        np.minimum.at(lowest, begun.user, begun.score)
        more = len(short) * len(filler)
        behind = np.tile(np.arange(1, len(filler) + 1, dtype=np.float32), len(short))
        fill = Entries(
            np.repeat(short, len(filler)),
            np.tile(filler, len(short)),
            np.zeros(more, np.int32),
            np.repeat(lowest[short], len(filler)) - behind,
            np.full(more, POPULAR, np.int8),
            np.ones(more, np.bool_),
        )
        return _by_user(done, self._kept(_by_user(begun, fill), rows))


def _by_user(one: Entries, other: Entries) -> Entries:
    """Both together, sorted by user; of a user, `one` stands before `other`."""
    names = Entries.__dataclass_fields__
    both = Entries(*(np.concatenate([getattr(one, name), getattr(other, name)]) for name in names))
    return both.take(np.argsort(both.user, kind="stable"))
