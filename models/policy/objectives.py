"""What the business wants of a surface's lists beside relevance: the part `objectives` of a surface's YAML.

Weights are in spreads: one moves an item that is one standard deviation above the catalogue's mean by one standard
deviation of the shopper's own candidate scores (see `models.policy.preferences`). Every default changes nothing.
"""

from datetime import date
from typing import Self

from pydantic import Field, model_validator

from models.policy.selection import MonthDay, Name, Selection, Strict


class CrossSell(Strict):
    """Complements of what the shopper last bought or put into the cart, rather than substitutes for it."""

    weight: float = Field(0.0, ge=0, le=10, description="spreads, for the shopper's strongest complement")
    basket_days: int = Field(30, ge=1, le=365, description="an older basket is not recent any more")


class LongTail(Strict):
    """At least `share` of every beginning of a list from outside the head, as far as candidates allow."""

    share: float = Field(0.0, ge=0, le=0.95)
    head: float = Field(0.5, gt=0, lt=1, description="the best-sellers that make this share of what is sold")


class Exploration(Strict):
    """Slots in which new items are tried; different shoppers, and other days, try different ones."""

    slots: int = Field(0, ge=0, le=100)
    from_rank: int = Field(5, ge=1, le=1000, description="rank of the first slot, the others follow")
    days: int = Field(14, ge=1, le=365, description="an item is new for this many days from when it was first seen")
    among: int = Field(20, ge=1, le=1000, description="the best new items for a shopper that take turns")


class NewShoppers(Strict):
    """Who counts as new, and what is different for them; None is as for everybody."""

    below_events: int = Field(5, ge=1, le=10_000, description="fewer events than this: new")
    popularity: float | None = Field(None, ge=-10, le=10, description="their weight of popularity")
    best_seller_share: float = Field(
        0.0, ge=0, le=0.95, description="at least this share of their lists from the head; replaces long_tail for them"
    )
    exploration_slots: int | None = Field(None, ge=0, le=100)


class Season(Strict):
    """Items that matter at a time of the year; the lists' day `ds` decides, both ends included.

    Give `from` and `to` (MM-DD, may run over the end of the year) or `months`.
    """

    name: Name
    what: Selection
    boost: float = Field(ge=-10, le=10, description="spreads; below 0 out of season")
    since: MonthDay | None = Field(None, alias="from")
    until: MonthDay | None = Field(None, alias="to")
    months: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _time(self) -> Self:
        dated = self.since is not None and self.until is not None
        if (self.since is None) != (self.until is None) or dated == bool(self.months):
            raise ValueError("give both from and to (MM-DD), or months")
        if not all(1 <= month <= 12 for month in self.months):
            raise ValueError("months are numbers from 1 to 12")
        return self

    def holds(self, day: date) -> bool:
        """Whether the day is in the season."""
        if self.since is None or self.until is None:
            return day.month in self.months
        today = f"{day:%m-%d}"
        if self.since <= self.until:
            return self.since <= today <= self.until
        return today >= self.since or today <= self.until


class Objectives(Strict):
    """See the fields; `docs/policy.md` shows what each costs."""

    popularity: float = Field(0.0, ge=-10, le=10, description="spreads: towards best-sellers, below 0 away from them")
    margin: float = Field(0.0, ge=-10, le=10, description="spreads: towards what earns more; unknown is neutral")
    variety: float = Field(0.0, ge=0, le=10, description="spreads that each doubling of a category's entries costs")
    cross_sell: CrossSell = CrossSell()
    long_tail: LongTail = LongTail()
    exploration: Exploration = Exploration()
    new_shoppers: NewShoppers = NewShoppers()
    seasons: tuple[Season, ...] = ()
