"""The settings of one made-up shop: everything else follows from them and from the day."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from lake.errors import BadInput
from sources.demo_shop.chance import Ints, uniform
from sources.demo_shop.trial import Trial
from sources.demo_shop.vocabulary import LEAVES

DRIFTING_SHARE = 0.85
"""Share of the shoppers whose tastes are drawn again on the day of a drift."""


@dataclass(frozen=True)
class Shop:
    """Size and seed of a shop. The same settings give the same days, in whatever ranges they are generated.

    Attributes:
        shoppers: shoppers that have an account on any one day; those who leave are replaced.
        items: articles in the catalogue on any one day; those discontinued are replaced by new arrivals.
        drift_on: first day of the new tastes; days before it do not depend on it.
        trial: an experiment with a planted effect; days before it do not depend on it.
    """

    seed: int = 7
    shoppers: int = 800
    items: int = 400
    drift_on: date | None = None
    trial: Trial | None = None

    def __post_init__(self) -> None:
        for name, value, least in (("--shoppers", self.shoppers, 10), ("--items", self.items, 40)):
            if value < least:
                raise BadInput(f"{name}={value} is too small for a shop that holds together; give at least {least}")
        if self.seed < 0:
            raise BadInput(f"--seed={self.seed} is negative; give 0 or more")

    @property
    def leaves(self) -> int:
        """Leaf categories in use: a small shop has fewer, so that each holds several items."""
        return max(4, min(len(LEAVES), self.items // 8))

    def regime(self, day: date, shopper: Ints) -> Ints:
        """0 before the drift and for those it spares, 1 after it."""
        if self.drift_on is None or day < self.drift_on:
            return np.zeros(len(shopper), dtype=np.int64)
        return (uniform(self.seed, "drifting", shopper) < DRIFTING_SHARE).astype(np.int64)
