"""What a reader asks, checked and in canonical form."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypedDict

from typing_extensions import Unpack

from storefront.contract import DEFAULT_SURFACE, canonical_id

MAX_BASKET = 20
"""Items whose lists are merged; further ones of a basket are only left out of the answer."""


class BadQuestion(ValueError):
    """k or offset that cannot be, or two kinds of page at once."""


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


@dataclass(frozen=True)
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
    def of(cls, user_id: str | None, k: int, **options: Unpack[Options]) -> "Question":
        """Check and spell the ids.

        Raises:
            BadQuestion: k or offset negative or no number, or both an item and a basket.
            BadId: see `canonical_id`.
        """
        given, offset = options.get("item"), options.get("offset", 0)
        _count("k", k)
        _count("offset", offset)
        if given is not None and options.get("basket"):
            raise BadQuestion("item and basket are two kinds of page: give one of them")
        item = canonical_id(given) if given is not None else None
        basket = tuple(dict.fromkeys(map(canonical_id, options.get("basket", ()))))
        hidden = frozenset(map(canonical_id, options.get("exclude", ())))
        return cls(
            user_id=user_id,
            k=k,
            surface=options.get("surface", DEFAULT_SURFACE),
            context=options.get("context") or {},
            exclude=hidden.union(basket, () if item is None else (item,)),
            offset=offset,
            version=options.get("version"),
            arm=options.get("arm"),
            item=item,
            basket=basket,
            why=options.get("why", False),
        )

    @property
    def anchors(self) -> tuple[str, ...]:
        """The items whose lists are asked for."""
        return (self.item,) if self.item is not None else self.basket[:MAX_BASKET]


def _count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BadQuestion(f"{name}={value!r} must be a whole number, 0 or more")
