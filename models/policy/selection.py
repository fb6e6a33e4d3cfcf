"""Which items a rule speaks of: by id, category, brand, price or words of the title."""

import re
from datetime import date
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from models.interface import Ints
from models.snapshot import Snapshot
from storefront.contract import canonical_id


class Strict(BaseModel):
    """Base of everything that people write in YAML: an unknown key is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def _text(value: Any) -> Any:
    """YAML reads the id 22423 as a number; ids and names are text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Name = Annotated[str, BeforeValidator(_text), Field(min_length=1)]
ItemId = Annotated[str, BeforeValidator(_text), AfterValidator(canonical_id)]


class Price(Strict):
    """A range of prices, both ends included; an item without a price is in none."""

    at_least: float | None = Field(None, ge=0)
    at_most: float | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _order(self) -> "Price":
        if self.at_least is None and self.at_most is None:
            raise ValueError("give at_least, at_most or both")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError("at_least exceeds at_most")
        return self


class Selection(Strict):
    """Items that meet every key given, each by any of its values.

    A category takes in what lies beneath it where the shop writes paths (`home/kitchen`, `home > kitchen`). Words are
    whole words; neither they, categories nor brands mind capitals.
    """

    items: tuple[ItemId, ...] = ()
    categories: tuple[Name, ...] = ()
    brands: tuple[Name, ...] = ()
    title_words: tuple[Name, ...] = ()
    price: Price | None = None

    @model_validator(mode="after")
    def _something(self) -> "Selection":
        if not (self.items or self.categories or self.brands or self.title_words or self.price):
            raise ValueError("says of no item what it is; give one of items, categories, brands, title_words, price")
        return self

    def ids(self, snapshot: Snapshot) -> tuple[Ints, list[str]]:
        """Indices of `items` in their order, and those that the snapshot does not know."""
        at = snapshot.items_of(self.items)
        return at[at >= 0], [name for name, found in zip(self.items, at, strict=True) if found < 0]

    def matches(self, snapshot: Snapshot) -> NDArray[np.bool_]:
        """Bool `[items]`."""
        catalogue = snapshot.catalogue
        mask = np.ones(len(snapshot.items), np.bool_)
        if self.items:
            listed = np.zeros_like(mask)
            listed[self.ids(snapshot)[0]] = True
            mask &= listed
        if self.categories:
            wanted = [re.compile(rf"{re.escape(name)}\s*([/>|]|$)", re.IGNORECASE) for name in self.categories]
            met = [any(pattern.match(name) for pattern in wanted) for name in catalogue.categories]
            mask &= np.array([*met, False])[catalogue.category]
        if self.brands:
            names = {name.casefold() for name in self.brands}
            mask &= np.array([*(name.casefold() in names for name in catalogue.brands), False])[catalogue.brand]
        if self.title_words:
            words = {word.casefold() for word in self.title_words}
            titles = (re.findall(r"\w+", title.casefold()) if title else () for title in catalogue.title)
            mask &= np.fromiter((not words.isdisjoint(title) for title in titles), np.bool_, len(mask))
        if self.price:
            low = -np.inf if self.price.at_least is None else self.price.at_least
            high = np.inf if self.price.at_most is None else self.price.at_most
            # Prices are kept as float32, so that 9.99 is a little more than 9.99 there.
            mask &= (catalogue.price >= np.float32(low)) & (catalogue.price <= np.float32(high))
        return mask


_FIRST_OF_EACH_YEAR = re.compile(r"(\d\d)-(\d\d)")


def _month_day(text: Any) -> Any:
    if not isinstance(text, str) or not (found := _FIRST_OF_EACH_YEAR.fullmatch(text)):
        raise ValueError("give a day of the year as MM-DD, for example 10-15")
    date(2024, int(found[1]), int(found[2]))  # a leap year, so that 02-29 is a day
    return text


MonthDay = Annotated[str, BeforeValidator(_month_day)]
"""A day of every year, `MM-DD`; two of them compare as text."""
