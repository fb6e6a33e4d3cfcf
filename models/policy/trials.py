"""The lists that a surface could have: without objectives, with each alone at a few strengths, and as configured."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from models.policy.merchandising import Numbered
from models.policy.objectives import Objectives
from models.surfaces import RecentlyBought, Surface

WITHOUT = "without"


@dataclass(frozen=True)
class Trial:
    """One way to make the lists."""

    objective: str
    strength: str
    surface: Surface
    rules: tuple[Numbered, ...] = ()


def trials(surface: Surface, rules: tuple[Numbered, ...]) -> Iterator[Trial]:
    """The surface without objectives first, then with each alone, with merchandisers' rules, and as configured."""
    base = surface.model_copy(update={"objectives": Objectives()})
    yield Trial(WITHOUT, "", base)

    def aim(objective: str, strength: object, **wanted: Any) -> Trial:
        return Trial(objective, f"{strength}", base.model_copy(update={"objectives": Objectives(**wanted)}))

    def ruled(objective: str, strength: object, **changed: Any) -> Trial:
        return Trial(
            objective, f"{strength}", base.model_copy(update={"rules": surface.rules.model_copy(update=changed)})
        )

    yield from (aim("popularity", weight, popularity=weight) for weight in (-0.5, -0.25, 0.25, 0.5))
    yield from (aim("margin", weight, margin=weight) for weight in (0.25, 0.5, 1.0))
    yield from (aim("variety", weight, variety=weight) for weight in (0.1, 0.25, 0.5))
    yield from (ruled("max_per_category", share, max_per_category=share) for share in (1.0, 0.2, 0.1))
    yield from (aim("long_tail.share", share, long_tail={"share": share}) for share in (0.2, 0.35, 0.5))
    yield from (aim("cross_sell.weight", weight, cross_sell={"weight": weight}) for weight in (0.25, 0.5, 1.0))
    yield from (aim("exploration.slots", slots, exploration={"slots": slots}) for slots in (1, 2, 4))
    yield from (
        aim(f"new (below {below}): best_seller_share", share, new_shoppers=_new(below, share))
        for below, share in ((5, 0.5), (20, 0.5), (20, 0.8))
    )
    bought = surface.rules.recently_bought
    yield ruled("recently_bought", "off", recently_bought=None)
    for share in (0.25, 0.5, 1.0):
        due = (bought or RecentlyBought(days=0)).model_copy(update={"due_share": share})
        yield ruled("recently_bought.due_share", share, recently_bought=due)
    for season in surface.objectives.seasons:
        yield aim(f"season {season.name}", season.boost, seasons=(season,))
    for numbered in rules:
        yield Trial(f"rule {numbered.number}", numbered.rule.action, base, (numbered,))
    if len(rules) > 1:
        yield Trial("all rules", "", base, rules)
    yield Trial("as configured", "", surface, rules)


def _new(below: int, share: float) -> dict[str, float]:
    return {"below_events": below, "best_seller_share": share}
