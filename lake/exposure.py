"""What a storefront logs when it shows a list: one JSON object a list shown (`docs/experiments.md` is the contract)."""

import hashlib
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from storefront.contract import BadId, canonical_id


def _id(value: Any) -> Any:
    """An id in its one spelling; numbers are taken for the text that they are written as."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str):
        return text
    try:
        return canonical_id(text)
    except BadId as error:
        raise ValueError(str(error)) from error


def _id_or_none(value: Any) -> Any:
    return None if value is None or (isinstance(value, str) and not value.strip()) else _id(value)


Id = Annotated[str, BeforeValidator(_id)]
OptionalId = Annotated[str | None, BeforeValidator(_id_or_none)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class _Strict(BaseModel):
    """Fields that the contract does not know are left alone: a storefront may log more."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class ShownItem(_Strict):
    """One item of a list shown. `rank` counts from 1; without it, the item's position in `items`."""

    item_id: Id
    rank: int | None = Field(None, ge=1)
    clicked: bool = False


class Shown(_Strict):
    """One list shown to one visitor.

    Attributes:
        shown_ts: ISO 8601; without a zone it is taken in the source's.
        user_id: the shop's id; None for a visitor who is not known.
        experiment, arm: as the storefront answered; an experiment without an arm is its control.
        list_version, fallback, stale: as the storefront answered.
        shown_id: names this showing, so that it counts once however often it is delivered.
    """

    shown_ts: Annotated[datetime, Field(strict=False)]
    surface: Name
    user_id: OptionalId = None
    experiment: Name | None = None
    arm: Name | None = None
    list_version: Id
    fallback: OptionalId = None
    stale: bool = False
    shown_id: OptionalId = None
    items: tuple[Annotated[ShownItem, Field(strict=True)], ...] = Field(min_length=1, max_length=1000, strict=False)

    @model_validator(mode="after")
    def _one_place_each(self) -> "Shown":
        ranks, items = [rank for rank, _ in self.ranked()], [each.item_id for each in self.items]
        if len(set(ranks)) != len(ranks) or len(set(items)) != len(items):
            raise ValueError("items: an item, or a rank, stands in the list twice")
        return self

    def ranked(self) -> list[tuple[int, ShownItem]]:
        """The items with their ranks."""
        return [(place if each.rank is None else each.rank, each) for place, each in enumerate(self.items, start=1)]

    def identity(self, occurrence: int) -> str:
        """`shown_id`, or a hash of who was shown what when: a click, told later, does not change it.

        Args:
            occurrence: of equal lists within a delivery, from 1; only visitors without an id are told apart by it.
        """
        if self.shown_id is not None:
            return self.shown_id
        who = self.user_id if self.user_id is not None else f"#{occurrence}"
        parts = (
            self.surface,
            who,
            self.shown_ts.isoformat(),
            self.list_version,
            *(each.item_id for each in self.items),
        )
        return hashlib.md5("\0".join(parts).encode(), usedforsecurity=False).hexdigest()


FIELDS = tuple(Shown.model_fields)
REQUIRED = tuple(name for name, field in Shown.model_fields.items() if field.is_required())
