"""What moves a list without being the ranker: each may be taken out, to see what it does by itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from models.changes.recipe import Recipe
from models.policy.merchandising import Numbered, Prepared
from models.policy.objectives import Objectives
from models.surfaces import Surface

OBJECTIVES = {
    "popularity": "the weight of popularity",
    "margin": "the weight of margin",
    "variety": "the wish for variety",
    "cross_sell": "cross-selling to the last basket",
    "long_tail": "the long tail's share",
    "exploration": "an exploration slot",
    "new_shoppers": "what is set for new shoppers",
}
"""Objective -> how a person calls it."""


@dataclass(frozen=True)
class Lever:
    """A part of a recipe.

    Attributes:
        kind: `category_cap`, an objective's name, `season`, or a rule's action: `pin`, `boost`, `bury`.
        name: tells it from others of its kind: the season's, or the rule's number.
        text: for a person.
    """

    kind: str
    name: str
    text: str

    @property
    def hard(self) -> bool:
        """Whether it decides by itself that an item is in or out; the others weigh on an order that data make."""
        return self.kind in ("pin", "bury", "exploration", "category_cap")

    @property
    def of_rule(self) -> bool:
        """Whether a merchandiser put it there, for some items only."""
        return self.kind in ("pin", "boost", "bury")

    def taken_out(self, recipe: Recipe) -> tuple[Surface, tuple[Numbered, ...]]:
        """Surface and rules without it."""
        surface, objectives = recipe.surface, recipe.surface.objectives
        if self.kind == "category_cap":
            rules = surface.rules.model_copy(update={"max_per_category": 1.0})
            return surface.model_copy(update={"rules": rules}), recipe.rules
        if self.of_rule:
            return surface, tuple(each for each in recipe.rules if str(each.number) != self.name)
        if self.kind == "season":
            kept = tuple(season for season in objectives.seasons if season.name != self.name)
            objectives = objectives.model_copy(update={"seasons": kept})
        else:
            default = getattr(Objectives(), self.kind)
            objectives = objectives.model_copy(update={self.kind: default})
        return surface.model_copy(update={"objectives": objectives}), recipe.rules


def levers(recipe: Recipe, in_force: Sequence[Prepared], day: date) -> Iterator[Lever]:
    """The levers of a recipe that are not at rest, merchandisers' rules first: a person put them there.

    Args:
        in_force: the rules that hold on the surface and day.
    """
    held = [each.rule for each in in_force]
    for numbered in recipe.rules:
        if any(numbered.rule is rule for rule in held):
            kind = numbered.rule.action.split()[0]
            yield Lever(kind, str(numbered.number), f"{numbered.rule.action} ({numbered.rule.reason})")
    objectives, rest = recipe.surface.objectives, Objectives()
    for name, text in OBJECTIVES.items():
        if getattr(objectives, name) != getattr(rest, name):
            yield Lever(name, "", text)
    for season in objectives.seasons:
        if season.holds(day):
            yield Lever("season", season.name, f"the season {season.name}")
    if recipe.surface.rules.max_per_category < 1:
        yield Lever("category_cap", "", f"a category's cap of {recipe.surface.rules.max_per_category:.0%} of the list")
