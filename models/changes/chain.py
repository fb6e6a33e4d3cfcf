"""The lists that lead from one day to another, one thing exchanged at a time: data, then bundle, then rules."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from models.changes.attribution import Attribution, attribute
from models.changes.levers import Lever
from models.changes.making import Made

Step = Literal["data", "bundle", "files"]
STEPS: tuple[Step, ...] = ("data", "bundle", "files")


@dataclass(frozen=True, eq=False)
class Chain:
    """The lists from the one day to the other.

    Attributes:
        before: as it was. data: with the later day's data. bundle: and its bundle. after: and its rules' files.
        days: between the two.
    """

    before: Made
    data: Made
    bundle: Made
    after: Made
    days: int
    _attributed: dict[str, Attribution] = field(default_factory=dict)

    @property
    def links(self) -> tuple[Made, Made, Made, Made]:
        return self.before, self.data, self.bundle, self.after

    @cached_property
    def new_events(self) -> dict[str, list[tuple[str, str]]]:
        """Item id -> (type, UTC day) of the shopper's events since the earlier day, newest first."""
        found: dict[str, list[tuple[str, str]]] = {}
        for item, kind, day in self.after.events(days=self.days):
            found.setdefault(item, []).append((kind, day.isoformat()))
        return found

    def attributed(self, item: str) -> Attribution | None:
        """How the data moved the item's score, where both days know it."""
        if item not in self._attributed:
            both = item in self.before.snapshot.item_index and item in self.data.snapshot.item_index
            if not both:
                return None
            self._attributed.update(attribute(self.before, self.data, [item]))
        return self._attributed[item]

    def prepare(self, items: Sequence[str]) -> None:
        """Ask for many items at once, which is as quick as for one."""
        one, other = self.before.snapshot.item_index, self.data.snapshot.item_index
        self._attributed.update(
            attribute(self.before, self.data, [item for item in items if item in one and item in other])
        )

    def step_of_presence(self, item: str) -> Step:
        """With which exchange the item came or went."""
        there = [item in made.ranks for made in self.links]
        return next(step for n, step in enumerate(STEPS) if there[n + 1] == there[3] != there[n])


def fresh(here: Made, there: Made) -> list[Lever]:
    """The levers of one list that did not pull in the same way for the other."""
    turned = bool(here.audience.new[0] != there.audience.new[0])
    return [
        lever
        for lever in here.making.levers
        if lever not in there.making.levers or (lever.kind == "new_shoppers" and turned)
    ]


def decisive(here: Made, there: Made, item: str, *, absent: bool) -> Lever | None:
    """The lever that decides whether the item is in the list of `here`; the list of `there` decided otherwise.

    One that pulled on both days is no cause, but for those that put in and take out by themselves.

    Args:
        absent: whether the item is not in the list of `here`.
    """
    new = fresh(here, there)
    out_only = ("category_cap", "bury")
    for lever in here.making.levers:
        by_itself = lever.hard and concerns(here, lever, item) and (absent or lever.kind not in out_only)
        if (by_itself or lever in new) and (item in here.without(lever)) == absent:
            return lever
    return None


def concerns(made: Made, lever: Lever, item: str) -> bool:
    """Whether a lever is about the item itself: all are, but for rules about other items or shoppers."""
    if not lever.of_rule:
        return True
    rule = next(each.rule for each in made.making.recipe.rules if str(each.number) == lever.name)
    held = zip(made.making.policy.rules, made.matching(item), strict=True)
    return any(each.rule is rule and speaks for each, speaks in held)
