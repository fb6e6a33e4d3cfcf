"""What the ranker's features are called among people, and their values in natural units."""

import math

SIGNALS = {
    "own_items": "how much it belongs to the shopper's habits",
    "co_visitation": "how often others had it together with the shopper's items",
    "co_together": "how often it meets the shopper's items in a visit",
    "co_bought": "how often it is bought with the shopper's items",
    "co_next": "how often it follows the shopper's items",
    "co_latest": "how well it goes with the latest item",
    "two_tower": "nearness to the shopper's taste (two-tower)",
    "linear": "nearness to the shopper's items (linear model)",
    "next_visit": "chance in the next visit (regression)",
    "ials": "nearness to the shopper's taste (factors)",
    "popular": "how much it sells",
    "popular_days": "how much it sold in the last days",
    "popular_months": "how much it sold in the last months",
    "new_items": "how well the arrival fits the shopper",
    "alike": "likeness to the shopper's items by title",
}
OTHERS = {
    "sources": "sources that propose it",
    "touched": "whether the shopper had it before",
    "last_age": "days since the shopper last came for it",
    "first_age": "days since the shopper first came for it",
    "visits": "days on which the shopper came for it",
    "events": "the shopper's events with it",
    "weight": "the shopper's weighted events with it",
    "visits_ago": "the shopper's visits since then",
    "visit_share": "share of the shopper's visits that were for it",
    "due": "whether it is time again, by the item's rhythm",
    "due_by_own_gap": "whether it is time again, by the shopper's rhythm",
    "quantity": "pieces the shopper takes of it",
    "price_change": "its price against what the shopper paid",
    "item_buyers": "its buyers in 90 days",
    "item_visitors": "its visitors in 90 days",
    "item_trend": "its trend, last week against the month",
    "item_conversion": "its purchases a view",
    "item_idle": "days since anybody's last event with it",
    "item_age": "days since it was first seen",
    "item_price": "its price",
    "item_price_band": "its price band",
    "item_return_rate": "share of its buyers who come back for it",
    "user_active_days": "the shopper's active days",
    "user_distinct_items": "the shopper's distinct items in 90 days",
    "user_sessions": "the shopper's visits in 30 days",
    "user_spend": "the shopper's spend in 90 days",
    "user_idle": "days since the shopper's last event",
    "user_age": "days since the shopper's first event",
    "user_session_depth": "events a visit of the shopper",
    "user_return_rate": "how often the shopper comes back for an item",
    "user_due": "whether the shopper's next visit is due",
    "price_fit": "its price against the shopper's usual one",
    "price_distance": "how far its price is from the shopper's usual one",
    "category_affinity": "the shopper's share of events in its category",
    "brand_affinity": "the shopper's share of events with its brand",
    "only_new": "whether only new items are wanted",
}
LOGGED = {
    *("last_age", "first_age", "visits", "events", "weight", "visits_ago", "quantity"),
    *("item_buyers", "item_visitors", "item_conversion", "item_idle", "item_age", "item_price"),
    *("user_active_days", "user_distinct_items", "user_sessions", "user_purchases_30d", "user_views_7d", "user_spend"),
    *("user_idle", "user_age", "user_session_depth"),
}
"""Features that the ranker sees as log(1 + x), besides the signals and the counts."""


def phrase(name: str) -> str:
    """A feature's meaning in a few words; its name where it needs none."""
    if name in SIGNALS:
        return SIGNALS[name]
    if (signal := name.removesuffix("_relative")) in SIGNALS:
        return f"{SIGNALS[signal]}, against the shopper's best"
    if (source := name.removesuffix("_rank")) != name:
        return f"closeness to the top of {source}"
    if name.startswith("decayed_"):
        return f"the shopper's events with it, halved every {name.removeprefix('decayed_')} days"
    if name in OTHERS:
        return OTHERS[name]
    owner, _, count = name.partition("_")
    kind, _, days = count.rpartition("_")
    return f"{'its' if owner == 'item' else 'the shopper' + chr(39) + 's'} {kind} in {days.removesuffix('d')} days"


def natural(name: str, value: float) -> float:
    """A value as the ranker sees it -> in its natural unit: days, counts, money, shares."""
    logged = name in SIGNALS or name in LOGGED or name.startswith("decayed_")
    logged = logged or (name.startswith("item_") and name.endswith("d") and name[-2].isdigit())
    if logged:
        return math.expm1(value)
    return value * 10.0 if name == "item_price_band" else value
