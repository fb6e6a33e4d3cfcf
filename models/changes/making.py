"""A shopper's list, made again as `jobs.lists` made it, with all that is known on the way."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lake.clock import day_end
from lake.columns import EVENT_TYPES
from models.bundle import Bundle
from models.candidates.union import Block, Candidates
from models.changes.levers import Lever, levers
from models.changes.recipe import Recipe
from models.interface import SOURCES, Ranked
from models.policy.audience import Audience
from models.policy.entries import Entries
from models.policy.reasons import Explainer
from models.policy.surface_lists import SurfacePolicy
from models.ranking.features import PairFeatures
from models.snapshot import Snapshot
from storefront.contract import Reason

State = Literal["unknown", "refused", "not_proposed", "crowded_out", "below", "shown"]


@dataclass(frozen=True)
class Fate:
    """What became of an item when a list was made.

    Attributes:
        state: `unknown` to the catalogue; `refused` by a hard rule; `not_proposed` by any source; `crowded_out`,
            proposed but not among the candidates that were ranked; `below` the list's end; `shown`.
        rank: from 1, where it is shown.
        refusals: hard rules that take it out, see `SurfacePolicy.refused`.
        sources: source -> rank from 1, of those that propose it.
        filled: the list needed one more, or a rule put it there; no source found it for the shopper.
    """

    state: State
    rank: int | None = None
    refusals: tuple[str, ...] = ()
    sources: tuple[tuple[str, int], ...] = ()
    filled: bool = False


class Making:
    """One snapshot, bundle and recipe.

    Args:
        bundle: its prepared sources are kept for `snapshot`, so give each making that differs in it a bundle object
            of its own.
    """

    def __init__(self, snapshot: Snapshot, bundle: Bundle, recipe: Recipe) -> None:
        self.snapshot, self.bundle, self.recipe = snapshot, bundle, recipe
        self.policy = SurfacePolicy(recipe.surface, snapshot, recipe.k, recipe.rules)
        self._without: dict[Lever, SurfacePolicy] = {}

    @cached_property
    def levers(self) -> tuple[Lever, ...]:
        """What moves lists here and may be taken out to see what it does."""
        return tuple(levers(self.recipe, self.policy.rules, self.snapshot.as_of))

    def without(self, lever: Lever) -> SurfacePolicy:
        """The policy without one lever; kept."""
        if lever not in self._without:
            surface, rules = lever.taken_out(self.recipe)
            self._without[lever] = SurfacePolicy(surface, self.snapshot, self.recipe.k, rules)
        return self._without[lever]

    @cached_property
    def features(self) -> PairFeatures:
        return PairFeatures(self.bundle.prepared(self.snapshot))

    @cached_property
    def explainer(self) -> Explainer:
        return Explainer(self.bundle, self.snapshot)

    def of(self, user: str, memory_mb: int = 1024) -> "Made":
        """The list of a shopper, by the lake's id."""
        only_new = self.recipe.surface.only_new
        ranked = self.bundle.score(self.snapshot, [user], only_new=only_new, memory_mb=memory_mb)
        rows = self.snapshot.rows_of([user])
        block = self.bundle.prepared(self.snapshot).block(rows, only_new=only_new)
        return Made(self, user, ranked, block, self.policy.lists(ranked, rows))


@dataclass(frozen=True, eq=False)
class Made:
    """A shopper's list as a making gives it.

    Attributes:
        ranked: its candidates. block: what the sources say of all items. entries: the list.
    """

    making: Making
    user: str
    ranked: Ranked
    block: Block
    entries: Entries

    @property
    def snapshot(self) -> Snapshot:
        return self.making.snapshot

    @cached_property
    def ranks(self) -> dict[str, int]:
        """Item id -> rank."""
        return self._ranks(self.entries)

    @cached_property
    def reasons(self) -> dict[str, Reason]:
        """Item id -> why it stands in the list."""
        told = self.making.explainer.of([self.user], self.entries)
        named = zip(self.snapshot.items[self.entries.item], told.code, told.value, strict=True)
        return {str(item): Reason(code, value) for item, code, value in named}

    @cached_property
    def places(self) -> dict[str, int]:
        """Item id -> place among all candidates by the ranker's score alone, from 1."""
        return {str(item): place for place, item in enumerate(self.snapshot.items[self.ranked.item], 1)}

    @cached_property
    def _moved(self) -> dict[Lever, dict[str, int]]:
        return {}

    def without(self, lever: Lever) -> dict[str, int]:
        """Item id -> rank, had the lever not been there."""
        if lever not in self._moved:
            lists = self.making.without(lever).lists(self.ranked, self.block.rows)
            self._moved[lever] = self._ranks(lists)
        return self._moved[lever]

    def _ranks(self, entries: Entries) -> dict[str, int]:
        names = self.snapshot.items[entries.item]
        return {str(item): int(rank) for item, rank in zip(names, entries.rank, strict=True)}

    @cached_property
    def _proposed(self) -> dict[int, list[tuple[str, int]]]:
        """Index of an item -> (source, rank from 1) of the surface's sources that propose it."""
        found: dict[int, list[tuple[str, int]]] = {}
        for name in self.making.recipe.surface.sources:
            for rank, item in enumerate(self.block.proposed[SOURCES.index(name), 0].tolist(), 1):
                if item >= 0:
                    found.setdefault(item, []).append((name, rank))
        return found

    def fate(self, item: str) -> Fate:
        """What became of an item."""
        at = self.snapshot.item_index.get(item)
        if at is None:
            return Fate("unknown")
        sources = tuple(sorted(self._proposed.get(at, ()), key=lambda pair: pair[1]))
        if item in self.ranks:
            filled = bool(self.entries.filled[self.ranks[item] - 1])
            return Fate("shown", self.ranks[item], sources=sources, filled=filled)
        if refusals := self.refusals(item):
            return Fate("refused", refusals=refusals, sources=sources)
        if not sources:
            return Fate("not_proposed")
        return Fate("below" if item in self.places else "crowded_out", sources=sources)

    def pairs(self, items: Sequence[str]) -> Candidates:
        """The shopper with each of some items that the snapshot knows."""
        at = self.snapshot.items_of(items)
        return self.block.pairs(np.zeros_like(at), at)

    def refusals(self, item: str) -> tuple[str, ...]:
        """Hard rules that take an item out, see `SurfacePolicy.refused`; none of one that the catalogue lacks."""
        at, nothing, unknown = self.snapshot.items_of([item]), np.zeros(1, np.int32), np.full(1, np.nan, np.float32)
        if at[0] < 0:
            return ()
        one = Entries(nothing, at.astype(np.int32), nothing, unknown, nothing.astype(np.int8), nothing > 0, unknown)
        told = self.making.policy.refused(one, self.audience)
        return tuple(name for name, mask in told.items() if mask[0])

    @cached_property
    def audience(self) -> Audience:
        """The shopper, as rules ask about one."""
        below = self.making.recipe.surface.objectives.new_shoppers.below_events
        return Audience.of_shoppers(self.snapshot, self.block.rows, below)

    def events(self, item: str | None = None, days: float = np.inf) -> list[tuple[str, str, date]]:
        """The shopper's events of the last `days` days, of one item or of all: item id, type, UTC day; newest first."""
        row = int(self.block.rows[0])
        if row < 0:
            return []
        log = self.snapshot.events
        at = np.arange(self.snapshot.user_ptr[row], self.snapshot.user_ptr[row + 1])
        at = at[log.age_days[at] < days]
        if item is not None:
            at = at[log.item[at] == self.snapshot.item_index.get(item, -1)]
        at = at[np.argsort(log.age_days[at], kind="stable")]
        end = day_end(self.snapshot.as_of)
        return [
            (
                str(self.snapshot.items[log.item[n]]),
                EVENT_TYPES[log.kind[n]],
                (end - timedelta(days=float(log.age_days[n]))).date(),
            )
            for n in at
        ]

    def title(self, item: str) -> str:
        """The item's title, or its id."""
        at = self.snapshot.item_index.get(item)
        return str((self.snapshot.catalogue.title[at] if at is not None else None) or item)

    def matching(self, item: str) -> NDArray[np.bool_]:
        """Which of `making.policy.rules` speak of the item and hold for the shopper, bool `[rules]`."""
        at = self.snapshot.item_index.get(item, -1)
        held = (
            at >= 0 and bool(rule.matches[at] and rule.meets(self.audience)[0]) for rule in self.making.policy.rules
        )
        return np.fromiter(held, np.bool_)
