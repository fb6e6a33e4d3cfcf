"""Merchandisers' rules at work on one surface and day: what is out, what is buried, where the pins stand."""

import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.interface import Ints
from models.policy import merchandising, repeats
from models.policy.audience import Audience
from models.policy.diversity import numbered
from models.policy.entries import Entries
from models.policy.merchandising import Numbered, Prepared
from models.snapshot import Snapshot

log = logging.getLogger("nightshelf.merchandising")


class Campaign:
    """The rules of a surface that hold on the snapshot's day; immutable.

    Args:
        stocked: bool `[items]`, what may be shown without the rules.

    Attributes:
        rules: those that hold, in the order of the file.
        allowed: bool `[items]`, what may be shown and no rule takes out for everybody.
        boosts: the rules that boost; `models.policy.preferences` applies them.
    """

    def __init__(
        self, rules: tuple[Numbered, ...], snapshot: Snapshot, surface: str, stocked: NDArray[np.bool_]
    ) -> None:
        held = self.rules = merchandising.in_force(rules, snapshot, surface)
        self.boosts = tuple(each for each in held if each.rule.boost is not None)
        self._pins = [each for each in held if each.rule.pin is not None]
        self._ends = [each for each in held if each.rule.bury == "end"]
        self._outs: list[Prepared] = []
        self.allowed = stocked
        for each in held:
            if each.rule.bury != "out":
                continue
            left = self.allowed & ~each.matches
            if not each.for_everybody:
                self._outs.append(each)
            elif left.any():
                self.allowed = left
            else:
                told = "%s: the rule %r would leave nothing to show, so it buries to the end instead; narrow its `what`"
                log.error(told, surface, each.rule.reason)
                self._ends.append(each)

    @property
    def moves(self) -> bool:
        """Whether a rule does more than boost, or take out for everybody."""
        return bool(self._pins or self._ends or self._outs)

    def out(self, entries: Entries, audience: Audience) -> NDArray[np.bool_]:
        """Which entries a rule takes out for these shoppers."""
        return _any(self._outs, entries, audience)

    def buried(self, entries: Entries, audience: Audience) -> NDArray[np.bool_]:
        """Which entries belong behind all others."""
        return _any(self._ends, entries, audience)

    def pins(
        self,
        make: Callable[[Ints, Ints], Entries],
        may_show: Callable[[Entries], NDArray[np.bool_]],
        audience: Audience,
    ) -> Entries | None:
        """Entries with the ranks that they are pinned to, by user and rank; None without pins.

        Of two pins for one item the one further up in the file counts, and of two for one rank it stands first.

        Args:
            make: entries of users and items. may_show: which of them no hard rule takes out; the next moves up.
        """
        pins: Entries | None = None
        for each in self._pins:
            users = np.flatnonzero(each.meets(audience)).astype(np.int32)
            some = make(np.repeat(users, len(each.items)), np.tile(each.items, len(users)))
            some = numbered(some.take(may_show(some)))
            some = replace(some, rank=some.rank + np.int32((each.rule.pin or 1) - 1))
            pins = some if pins is None else pins.then(some)
        if pins is None:
            return None
        pins = pins.take(repeats.first_of_pair(pins.user, pins.item))
        return pins.take(np.lexsort((np.arange(len(pins)), pins.rank, pins.user)))


def _any(rules: list[Prepared], entries: Entries, audience: Audience) -> NDArray[np.bool_]:
    mask = np.zeros(len(entries), np.bool_)
    for each in rules:
        mask |= each.matches[entries.item] & each.meets(audience)[entries.user]
    return mask
