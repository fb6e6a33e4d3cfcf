"""Lists as shoppers get them, from Redis, with what the lake knows of each entry."""

from collections.abc import Mapping
from typing import Any

from jobs.showroom.goods import Goods, card, titles
from lake import storage
from lake.columns import Columns as C
from lake.settings import Settings
from models import surfaces
from storefront.answer import Answer
from storefront.client import Storefront
from storefront.contract import EVERYBODY, Reason
from storefront.lookup import tell

OF_LISTS = (C.ITEM_ID, C.SCORE, C.PROBABILITY, C.SOURCE, C.REASON, C.REASON_ITEM, C.BUNDLE)
OF_ANSWER = (
    *("surface", "version", "data_through", "generated_at", "bundle", "age_seconds", "stale", "fallback"),
    *("experiment", "arm", "k", "k_asked"),
)


class Shelves:
    """The surfaces' lists. Shoppers are named as the lake names them."""

    def __init__(self, settings: Settings, goods: Goods, max_age_seconds: float) -> None:
        self._settings, self._goods = settings, goods
        self._shop = Storefront(settings.redis_url, filed=True, max_age_seconds=max_age_seconds, timeout=2.0)

    def surfaces(self) -> list[dict[str, Any]]:
        """Every surface: name, description, whose lists it has."""
        shown = surfaces.load(self._settings.surfaces)
        return [{"name": s.name, "description": s.description, "kinds": list(s.kinds)} for s in shown.values()]

    def countries(self) -> list[str]:
        """Countries with a list of their own on the default surface, in the order of the fallback."""
        named = (name.partition("=") for name in self._shop.meta().segments if name != EVERYBODY)
        return [value for kind, _, value in named if kind == "country"]

    def of_shopper(
        self, user: str | None, surface: str, k: int, context: dict[str, str | None], version: str | None = None
    ) -> dict[str, Any]:
        """A shopper's list; an anonymous visitor's is that of the segments.

        Raises:
            ValueError, StorefrontError: see `Storefront.recommend`.
        """
        answer = self._shop.recommend(user, k, surface=surface, context=context, version=version, why=True)
        owned = answer.fallback == "user"
        return self._told(answer, "user" if owned else "segment", user if owned else answer.fallback)

    def of_item(self, item: str, surface: str, k: int) -> dict[str, Any]:
        """An item's list; everybody's where it has none.

        Raises:
            ValueError, StorefrontError: see `Storefront.related`.
        """
        answer = self._shop.related(item, k, surface=surface)
        owned = answer.fallback == "item"
        return self._told(answer, "item" if owned else "segment", item if owned else answer.fallback)

    def _told(self, answer: Answer, kind: str, owner: str | None) -> dict[str, Any]:
        """An answer with titles, prices, reasons in words, sources and scores."""
        cards = self._goods.cards()
        names, kept = titles(cards), self._kept(answer, kind, owner)
        entries = []
        for rank, item in enumerate(answer.items, 1):
            row = kept.get(item, {})
            reason = answer.reasons[rank - 1] if answer.reasons else None
            if reason is None and row:
                reason = Reason(row[C.REASON], row[C.REASON_ITEM])
            why = reason and {"code": reason.code, "text": _words(reason, names), "item": _item_of(reason)}
            told = {name: row.get(name) for name in (C.SCORE, C.PROBABILITY, C.SOURCE)}
            entries.append({**card(item, cards), "rank": rank, "reason": why, **told})
        return {**{name: getattr(answer, name) for name in OF_ANSWER}, "in_lake": bool(kept), "entries": entries}

    def _kept(self, answer: Answer, kind: str, owner: str | None) -> dict[str, dict[str, Any]]:
        """Item id -> the lake's row of the list; none where the lake's lists of the day are not these."""
        if answer.data_through is None or owner in (None, "none"):
            return {}
        shelf = surfaces.shelf(answer.surface, answer.arm)
        filters = [(C.SURFACE, "=", shelf), (C.KIND, "=", kind), (C.OWNER, "=", owner)]
        rows = storage.read(self._settings, "lists", ds=answer.data_through, columns=OF_LISTS, filters=filters)
        found = {row[C.ITEM_ID]: row for row in rows.to_pylist()}
        same = set(answer.items) <= set(found) and all(row[C.BUNDLE] == answer.bundle for row in found.values())
        return found if same else {}


def _words(reason: Reason, names: Mapping[str, str]) -> str:
    """A reason as a person reads it; the page shows titles, so an id beside one says nothing."""
    text, value = tell(reason, names), reason.value or ""
    return text.replace(f"{value} {names[value]}", names[value]) if value in names else text


def _item_of(reason: Reason) -> str | None:
    """The item that a reason rests on, if it is one."""
    return reason.value if reason.code in ("bought", "co", "similar") else None
