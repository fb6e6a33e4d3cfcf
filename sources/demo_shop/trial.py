"""An experiment with a planted effect, as the shop's settings name it: who is in which arm, and what that changes."""

from dataclasses import dataclass, field
from datetime import date

import numpy as np
from numpy.typing import NDArray

from lake.errors import BadInput
from sources.demo_shop.chance import Floats
from storefront.contract import BadExperiment, Experiment, assign, user_token

NAME = "demo"
MOST = 1.6
"""Largest factor: what is more would make a purchase surer than certain."""


@dataclass(frozen=True)
class Trial:
    """Shoppers of the arm click and check out `factor` times as often, from `since` on.

    Attributes:
        share: of the shoppers who are in the arm.
        key: secret of the pseudonyms by which shoppers are dealt out, as the storefront does it; None: by their ids.
    """

    surface: str
    arm: str
    share: float
    factor: float
    since: date
    key: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.factor <= MOST:
            raise BadInput(f"--experiment: factor {self.factor} must be above 0 and at most {MOST}")
        try:
            self.experiment()
        except BadExperiment as error:
            raise BadInput(f"--experiment: {error}") from error

    @classmethod
    def parse(cls, text: str, since: date, key: bytes | None = None) -> "Trial":
        """Read `surface:arm:share:factor`, such as `home:treatment:0.5:1.25`.

        Raises:
            BadInput: it is not of that form.
        """
        try:
            surface, arm, share, factor = text.split(":")
            return cls(surface, arm, float(share), float(factor), since, key)
        except ValueError as error:
            if isinstance(error, BadInput):
                raise
            raise BadInput(f"--experiment={text!r} is not of the form home:treatment:0.5:1.25") from error

    def experiment(self) -> Experiment:
        """As the storefront knows it."""
        return Experiment(NAME, NAME, {self.arm: self.share})

    def arm_of(self, user_id: str) -> str | None:
        """The arm of a shopper, None for the control."""
        return assign(self.experiment(), user_token(user_id, self.key) if self.key else user_id)

    def lift(self, user_ids: NDArray[np.object_], day: date) -> Floats:
        """What each visitor's chances of clicking and of checking out are multiplied by; None is nobody known."""
        lifts = np.ones(len(user_ids))
        if day >= self.since:
            known = {user: self.arm_of(user) for user in set(user_ids.tolist()) if user is not None}
            lifts[[known.get(user) is not None for user in user_ids.tolist()]] = self.factor
        return lifts
