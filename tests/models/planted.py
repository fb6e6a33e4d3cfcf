"""A small lake with planted tastes and whole features, written without Spark, for the models' tests.

Shoppers belong to one of `GROUPS` groups and nearly always choose items of it; each comes back every few days, often to
an item bought before. Titles share a word within a group, categories are the groups, and items bought together are
partners.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np

from lake.clock import day_end, shift
from lake.columns import EVENT_TYPES, WINDOWS
from lake.columns import Columns as C
from lake.settings import Settings
from tests.models.small_shop import event, write

FIRST = date(2026, 8, 1)
GROUPS, ITEMS_A_GROUP, USERS = 5, 12, 100
ITEMS = [f"i{number:02d}" for number in range(GROUPS * ITEMS_A_GROUP)]
WORDS = ("lantern", "teacup", "cushion", "garland", "notebook")


def group(item: str) -> int:
    return int(item[1:]) // ITEMS_A_GROUP


def user_group(user: str) -> int:
    return int(user[1:]) % GROUPS


def events(days: int, seed: int = 0) -> list[dict[str, Any]]:
    """Baskets of three: two of the shopper's group (half of them repeats) and now and then anything."""
    rng, rows, had = np.random.default_rng(seed), [], defaultdict(list)
    for number in range(days):
        day = shift(FIRST, number)
        for user in (f"u{n:03d}" for n in range(USERS)):
            if rng.random() > 0.3:
                continue
            for place in range(3):
                mine = user_group(user) * ITEMS_A_GROUP + int(rng.integers(ITEMS_A_GROUP))
                item = ITEMS[mine if rng.random() < 0.9 else int(rng.integers(len(ITEMS)))]
                if had[user] and rng.random() < 0.4:
                    item = had[user][int(rng.integers(len(had[user])))]
                had[user].append(item)
                more = {"session_id": f"{user}-{day}", "price": 1.0 + int(item[1:]), "country": "GB", "quantity": 1.0}
                rows.append(event(user, item, day, hour=8.0 + place / 10, **more))
    return rows


def features(rows: Sequence[dict[str, Any]], as_of: date) -> dict[str, list[dict[str, Any]]]:
    """Rows of the feature tables as of a day."""
    ds, end = as_of.isoformat(), day_end(as_of)
    known = [row for row in rows if row[C.EVENT_TS] < end and row[C.INGESTED_TS] <= end + timedelta(hours=6)]
    age = {id(row): (end - row[C.EVENT_TS]).total_seconds() / 86400 for row in known}

    def summary(key: str, value: str) -> dict[str, Any]:
        mine = [row for row in known if row[key] == value]
        counts = {
            C.count(kind, days): sum(row[C.EVENT_TYPE] == kind and age[id(row)] <= days for row in mine)
            for kind in EVENT_TYPES
            for days in WINDOWS
        }
        last = min((age[id(row)] for row in mine), default=0.0)
        return {key: value, C.DS: ds, C.DAYS_SINCE_LAST: last, **counts}

    partners: Counter[tuple[str, str]] = Counter()
    baskets: dict[str, set[str]] = defaultdict(set)
    for row in known:
        baskets[row[C.SESSION_ID]].add(row[C.ITEM_ID])
    for items in baskets.values():
        partners.update((a, b) for a in items for b in items if a != b)
    return {
        "items": [
            {
                C.ITEM_ID: item,
                C.TITLE: f"{WORDS[group(item)]} number{item}",
                C.CATEGORY: f"group {group(item)}",
                C.PRICE: 1.0 + int(item[1:]),
                C.FIRST_SEEN_TS: min((r[C.EVENT_TS] for r in known if r[C.ITEM_ID] == item), default=end),
                C.DS: ds,
            }
            for item in ITEMS
        ],
        "item_features": [summary(C.ITEM_ID, item) | {C.AGE_DAYS: 10.0} for item in ITEMS],
        "user_features": [
            summary(C.USER_ID, user)
            | {
                C.DAYS_SINCE_FIRST: 30.0,
                C.ACTIVE_DAYS: 3,
                C.COUNTRY: "GB",
                C.CATEGORY_AFFINITY: {f"group {user_group(user)}": 0.9},
            }
            for user in sorted({row[C.USER_ID] for row in known if row[C.USER_ID]})
        ],
        "co_visitation": [
            {
                C.ITEM_ID: a,
                C.OTHER_ITEM_ID: b,
                C.RELATION: "together",
                C.WEIGHT: float(n),
                C.PAIRS: n,
                C.RANK: 1,
                C.DS: ds,
            }
            for (a, b), n in sorted(partners.items())
        ],
    }


def build(settings: Settings, days: int, as_of: Iterable[date], seed: int = 0, shuffle: int | None = None) -> None:
    """Write the lake; `shuffle` permutes the rows of every table."""
    rows = events(days, seed)
    tables = {"events": [rows]}
    for day in as_of:
        for name, made in features(rows, day).items():
            tables.setdefault(name, []).append(made)
    for name, parts in tables.items():
        for part in parts:
            mixed = list(part)
            if shuffle is not None:
                np.random.default_rng(shuffle).shuffle(mixed)  # type: ignore[arg-type]
            write(settings, name, mixed)
