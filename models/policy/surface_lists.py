"""Ranked candidates -> the lists of a surface: objectives, stock, repeats, novelty, variety, filled up to K, pins.

The order of things: objectives and boosts move candidates (`preferences`); hard rules take out; shares and the cap of a
category reorder; short lists are filled; exploration slots and, last, pins are placed. Nothing that is placed escapes
the hard rules.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.interface import SOURCES, Ints, Ranked
from models.policy import diversity, placing, repeats, segments, shares, stock
from models.policy.audience import Audience
from models.policy.campaign import Campaign
from models.policy.due import due
from models.policy.entries import Entries
from models.policy.exploration import NewArrivals
from models.policy.merchandising import Numbered
from models.policy.pairs import Pairs
from models.policy.preferences import Preferences
from models.policy.segments import SegmentList
from models.snapshot import Snapshot
from models.surfaces import Surface

POPULAR, NEW_ITEMS = SOURCES.index("popular"), SOURCES.index("new_items")
NEVER = np.iinfo(np.int16).max
FILL_AT_ONCE = 2_000_000


class SurfacePolicy:
    """One surface's rules made ready for a snapshot; immutable.

    Args:
        k: length of a list.
        rules: merchandisers' rules, of all surfaces and days.

    Attributes:
        rules: merchandisers' rules that hold here on the snapshot's day.
        allowed: bool `[items]`, what the stock rule lets through and no rule takes out for everybody.
        touched: bool `[items]`, whether anybody ever did anything with the item.
        filler: what fills up a short list: the popular first, then what nobody has touched, the latest first.
    """

    def __init__(self, surface: Surface, snapshot: Snapshot, k: int, rules: tuple[Numbered, ...] = ()) -> None:
        self.surface, self.k, self._snapshot = surface, k, snapshot
        items, wanted = len(snapshot.items), surface.objectives
        everything = np.ones(items, np.bool_)
        self._stocked = snapshot.catalogue.in_stock if surface.rules.in_stock else everything
        self._campaign = Campaign(rules, snapshot, surface.name, self._stocked)
        self.rules, self.allowed = self._campaign.rules, self._campaign.allowed
        self._category = snapshot.catalogue.category
        self._hidden = self._hide(snapshot, items)
        clock = surface.rules.due
        self._due = due(snapshot.events, items, clock.times, clock.opens, clock.closes) if clock else None
        sold = segments.popularity(snapshot)
        self._head = shares.head(sold, wanted.long_tail.head)
        self._preferences = Preferences(snapshot, wanted, sold, self.allowed, self._campaign.boosts)
        most = max(wanted.exploration.slots, wanted.new_shoppers.exploration_slots or 0)
        self._arrivals = NewArrivals(snapshot, wanted.exploration, self.allowed) if most else None
        self.touched = sold > 0
        untouched = np.flatnonzero(self.allowed & ~self.touched)
        age = np.nan_to_num(snapshot.catalogue.age_days[untouched], nan=np.inf)
        latest_first = untouched[np.argsort(age, kind="stable")]
        self.filler = np.concatenate([segments.by_popularity(sold, self.allowed), latest_first]).astype(np.int32)

    def _hide(self, snapshot: Snapshot, items: int) -> dict[str, Pairs]:
        hidden = {}
        if self.surface.only_new:
            hidden["touched"] = Pairs.of(snapshot.events.user, snapshot.events.item, items)
        rule = self.surface.rules.recently_bought
        if rule is not None and (rule.days or rule.due_share):
            told = rule.days, rule.repurchase_rate, rule.due_share
            hidden["recently_bought"] = repeats.recently_bought(snapshot.events, items, *told)
        return hidden

    def lists(self, ranked: Ranked, rows: Ints) -> Entries:
        """The K best of each user that the rules let through.

        Args:
            rows: the snapshot's row of each user that `ranked.user` counts in, -1 for one it does not know.

        Returns:
            A list is shorter than K only where the catalogue has no more that may be shown or the surface shows only
            what is due, and missing where it would have less than `min_items`.
        """
        audience = Audience.of_shoppers(self._snapshot, rows, self.surface.objectives.new_shoppers.below_events)
        candidates = self._preferences.ordered(self._candidates(ranked), audience)
        kept = self._kept(candidates, audience)
        size = 2 * self.k
        short = self._short(kept, len(rows))
        while len(short) and len(self.filler) and self._due is None:
            # The bound on an array of fillers, entries; lists are rarely short, and then of few users.
            for users in np.array_split(short, int(np.ceil(len(short) * min(size, len(self.filler)) / FILL_AT_ONCE))):
                kept = self._filled(kept, users, self.filler[:size], audience)
            if size >= len(self.filler):
                break
            short, size = self._short(kept, len(rows)), 4 * size
        placed = self._pinned(self._explored(kept, candidates, audience), candidates, audience)
        enough = np.bincount(placed.user, minlength=len(rows)) >= self.surface.rules.min_items
        return placed.take(enough[placed.user] & (placed.rank <= self.k))

    def segments(self) -> list[SegmentList]:
        """The fallback lists: by popularity, moved by seasons and merchandisers' rules alone."""
        surface, snapshot = self.surface, self._snapshot
        ruled = self._campaign.moves or self._preferences.move_segments
        # Nothing is due for those who fall back on a segment, so there no rule could place anything either.
        ruled = ruled and self._due is None
        depth = len(snapshot.items) if ruled else self.k
        found = segments.segment_lists(snapshot, surface.segments, self.allowed, depth, surface.segment_min_shoppers)
        if not ruled:
            return found
        sizes = [len(each.items) for each in found]
        user = np.repeat(np.arange(len(found), dtype=np.int32), sizes)
        nothing = np.zeros(len(user), np.int32)
        entries = Entries(
            user,
            np.concatenate([each.items for each in found]),
            nothing,
            np.concatenate([each.score for each in found]).astype(np.float32),
            np.full(len(user), POPULAR, np.int8),
            np.zeros(len(user), np.bool_),
            np.full(len(user), np.nan, np.float32),
        )
        audience = Audience.of_segments(snapshot, [each.name for each in found])
        entries = self._preferences.ordered_segments(entries, audience)
        entries = entries.take(self._may_show(entries, audience))
        ends = np.lexsort((np.arange(len(entries)), self._campaign.buried(entries, audience), entries.user))
        placed = self._pinned(diversity.numbered(entries.take(ends)), entries, audience)
        placed = placed.take(placed.rank <= self.k)
        edges = np.searchsorted(placed.user, np.arange(len(found) + 1))
        parts = [slice(start, end) for start, end in pairwise(edges)]
        scores = placed.score.astype(np.float64)
        return [SegmentList(e.name, placed.item[part], scores[part]) for e, part in zip(found, parts, strict=True)]

    def refused(self, entries: Entries, audience: Audience) -> dict[str, NDArray[np.bool_]]:
        """Which entries each hard rule takes out; one that none takes out may be shown.

        Returns:
            bool `[entries]` by rule: `out_of_stock`, `buried_out` and, where the surface asks for them, `touched`,
            `recently_bought`, `not_due`.
        """
        row, item = audience.row[entries.user], entries.item
        buried = (self._stocked & ~self.allowed)[item] | self._campaign.out(entries, audience)
        found = {"out_of_stock": ~self._stocked[item], "buried_out": buried}
        found |= {name: hidden.has(row, item) for name, hidden in self._hidden.items()}
        return found if self._due is None else found | {"not_due": ~self._due.has(row, item)}

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
        found = Entries(ranked.user, ranked.item, nothing, ranked.score, source, no_fill, ranked.probability)
        return found.take(proposed)

    def _may_show(self, entries: Entries, audience: Audience) -> NDArray[np.bool_]:
        """Which entries no hard rule takes out: stock, repeats, what a rule buries out for these shoppers."""
        mask = stock.in_stock(entries.item, self.allowed)
        for hidden in self._hidden.values():
            mask &= ~hidden.has(audience.row[entries.user], entries.item)
        if self._due is not None:
            mask &= self._due.has(audience.row[entries.user], entries.item)
        return mask & ~self._campaign.out(entries, audience)

    def _kept(self, entries: Entries, audience: Audience) -> Entries:
        """Apply every rule to entries in their order of preference within ascending users, and cut at K."""
        left = entries.take(self._may_show(entries, audience) & repeats.first_of_pair(entries.user, entries.item))
        share = self.surface.rules.max_per_category
        back = diversity.demoted(left.user, self._category[left.item], self.k, share)
        # What fills up stays behind what was found for the shopper, however much of one category that is.
        level = 4 * self._campaign.buried(left, audience) + 2 * left.filled + back
        order = np.lexsort((np.arange(len(left)), self._share_keys(left, level == 0, audience), level, left.user))
        kept = diversity.numbered(left.take(order))
        return kept.take(kept.rank <= self.k)

    def _share_keys(self, entries: Entries, front: NDArray[np.bool_], audience: Audience) -> NDArray[np.float64]:
        """Sort keys of the entries in front that give long tail and best-sellers their share; 0 for the others."""
        keys, wanted = np.zeros(len(entries)), self.surface.objectives
        of_tail, of_head = wanted.long_tail.share, wanted.new_shoppers.best_seller_share
        if not (of_tail or of_head):
            return keys
        heads = audience.new & (of_head > 0)
        user, item = entries.user[front], entries.item[front]
        sought = self._head[item] == heads[user]
        keys[front] = shares.at_least(user, sought, np.where(heads, of_head, of_tail)[user])
        return keys

    def _filled(self, kept: Entries, short: Ints, filler: Ints, audience: Audience) -> Entries:
        """The short lists with filler behind what they have; the others as they are."""
        is_short = np.zeros(len(audience), np.bool_)
        is_short[short] = True
        done, begun = kept.take(~is_short[kept.user]), kept.take(is_short[kept.user])
        behind = np.tile(np.arange(1, len(filler) + 1, dtype=np.float32), len(short))
        user, item = np.repeat(short, len(filler)), np.tile(filler, len(short))
        fill = self._extra(begun, user, item, np.zeros_like(user), POPULAR, len(audience))
        fill = replace(fill, score=fill.score - behind)
        return done.then(self._kept(begun.then(fill), audience))

    def _extra(self, lists: Entries, user: Ints, item: Ints, rank: Ints, source: int, users: int) -> Entries:
        """Entries that no source proposed, with the lowest score of their list, at most 0."""
        lowest = np.zeros(users, np.float32)
        np.minimum.at(lowest, lists.user, lists.score)
        size = len(user)
        unknown = np.full(size, np.nan, np.float32)
        return Entries(user, item, rank, lowest[user], np.full(size, source, np.int8), np.ones(size, np.bool_), unknown)

    def _explored(self, lists: Entries, candidates: Entries, audience: Audience) -> Entries:
        """The lists with new items in the exploration slots; one that stands above the slots anyway needs none."""
        rule, of_new = self.surface.objectives.exploration, self.surface.objectives.new_shoppers.exploration_slots
        if self._arrivals is None:
            return lists
        slots = np.where(audience.new, rule.slots if of_new is None else of_new, rule.slots)
        user, item = self._arrivals.turns(audience)
        tried = self._extra(lists, user, item, np.zeros_like(user), NEW_ITEMS, len(audience))
        above = lists.take(lists.rank < rule.from_rank)
        items = len(self._snapshot.items)
        shown = Pairs.of(above.user, above.item, items).has(tried.user, tried.item)
        tried = diversity.numbered(tried.take(self._may_show(tried, audience) & ~shown))
        tried = tried.take(tried.rank <= slots[tried.user])
        tried = replace(tried, rank=tried.rank + np.int32(rule.from_rank - 1))
        return placing.place(lists, placing.as_found(tried, candidates, items), items)

    def _pinned(self, lists: Entries, candidates: Entries, audience: Audience) -> Entries:
        """The lists with the pins of merchandisers."""

        def make(user: Ints, item: Ints) -> Entries:
            return self._extra(lists, user, item, np.zeros_like(user), POPULAR, len(audience))

        pins = self._campaign.pins(make, lambda entries: self._may_show(entries, audience), audience)
        if pins is None:
            return lists
        items = len(self._snapshot.items)
        return placing.place(lists, placing.as_found(pins, candidates, items), items)


__all__ = ["Entries", "SurfacePolicy"]
