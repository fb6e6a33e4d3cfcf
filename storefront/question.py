"""What a reader asks, checked and in canonical form."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypedDict

from storefront.contract import DEFAULT_SURFACE, BadId, BadName, canonical_id

MAX_BASKET = 20
"""Items whose lists are merged; further ones of a basket are only left out of the answer."""


class BadQuestion(ValueError):
    """k or offset that cannot be, or two kinds of page at once."""


REFUSED = (BadQuestion, BadId, BadName)
"""What a caller did wrong."""


class Options(TypedDict, total=False):
    """What may be asked beside the shopper and k; `Storefront.recommend` explains each."""

    surface: str
    context: Mapping[str, str | None] | None
    exclude: Collection[str]
    offset: int
    version: str | None
    arm: str | None
    item: str | None
    basket: Collection[str]
    why: bool


@dataclass(slots=True)
class Question:
    """One page of one list; `Storefront.recommend` explains the fields. `exclude` holds item and basket too."""

    user_id: str | None
    k: int
    surface: str
    context: Mapping[str, str | None]
    exclude: frozenset[str]
    offset: int
    version: str | None
    arm: str | None
    item: str | None
    basket: tuple[str, ...]
    why: bool

    @classmethod
    def of(
        cls,
        user_id: str | None,
        k: int,
        surface: str = DEFAULT_SURFACE,
        context: Mapping[str, str | None] | None = None,
        exclude: Collection[str] = (),
        offset: int = 0,
        version: str | None = None,
        arm: str | None = None,
        item: str | None = None,
        basket: Collection[str] = (),
        why: bool = False,
    ) -> "Question":
        """Check and spell the ids.

        Raises:
            BadQuestion: k or offset negative or no number, or both an item and a basket.
            BadId: see `canonical_id`.
        """
        for name, value in (("k", k), ("offset", offset)):
            if type(value) is not int or value < 0:
                raise BadQuestion(f"{name}={value!r} must be a whole number, 0 or more")
        user_id = canonical_id(user_id) if user_id is not None else None
        hidden, items = frozenset[str](), tuple[str, ...]()
        if item is not None or basket or exclude:
            if item is not None and basket:
                raise BadQuestion("item and basket are two kinds of page: give one of them")
            item = canonical_id(item) if item is not None else None
            items = tuple(dict.fromkeys(map(canonical_id, basket)))
            hidden = frozenset(map(canonical_id, exclude)).union(items, () if item is None else (item,))
        return cls(user_id, k, surface, context or {}, hidden, offset, version, arm, item, items, why)

    @property
    def anchors(self) -> tuple[str, ...]:
        """The items whose lists are asked for."""
        return (self.item,) if self.item is not None else self.basket[:MAX_BASKET]
