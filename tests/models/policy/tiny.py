"""A snapshot written by hand: events as tuples, everything else at its default."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
from scipy import sparse

from lake.columns import EVENT_TYPES
from models.interface import SOURCES, Ranked
from models.snapshot import Catalogue, Events, Snapshot

Event = tuple[str | None, str, str, float]
"""Shopper (None is anonymous), item, type, age in days."""


def snapshot(
    events: Sequence[Event],
    items: Sequence[str],
    *,
    category: Sequence[str | None] | None = None,
    out_of_stock: Sequence[str] = (),
    country: dict[str, str] | None = None,
    age_days: Sequence[float] | None = None,
) -> Snapshot:
    names = sorted(items)
    users = sorted({user for user, *_ in events if user is not None})
    rows = sorted(events, key=lambda e: (e[0] or "", -e[3]))
    user = np.array([users.index(u) if u is not None else -1 for u, *_ in rows], np.int32)
    size = len(rows)
    unknown, nothing = np.full(size, np.nan, np.float32), np.full(size, -1, np.int32)
    log = Events(
        user,
        np.array([names.index(i) for _, i, *_ in rows], np.int32),
        np.array([EVENT_TYPES.index(kind) for _, _, kind, _ in rows], np.int8),
        np.array([age for *_, age in rows], np.float32),
        unknown, unknown, unknown, nothing,
    )  # fmt: skip
    of_item = dict(zip(items, category or [None] * len(items), strict=True))
    categories = tuple(sorted({c for c in of_item.values() if c}))
    where = country or {}
    countries = tuple(sorted(set(where.values())))
    empty = sparse.csr_matrix((len(users), max(len(categories), 1)), dtype=np.float32)
    ages = dict(zip(items, age_days or [100.0] * len(items), strict=True))
    codes = [categories.index(c) if (c := of_item[i]) else -1 for i in names]
    return Snapshot(
        as_of=date(2026, 11, 22),
        users=np.array(users, dtype=object),
        items=np.array(names, dtype=object),
        events=log,
        user_ptr=np.searchsorted(user, np.arange(len(users) + 1)).astype(np.int64),
        catalogue=Catalogue(
            np.full(len(names), None, dtype=object),
            np.array(codes, np.int32),
            categories,
            np.full(len(names), -1, np.int32),
            (),
            np.full(len(names), np.nan, np.float32),
            np.full(len(names), np.nan, np.float32),
            np.array([i not in out_of_stock for i in names], np.bool_),
            np.array([ages[i] for i in names], np.float32),
        ),
        item_features={},
        user_features={},
        category_affinity=empty,
        brand_affinity=empty,
        country=np.array([countries.index(where[u]) if u in where else -1 for u in users], np.int32),
        countries=countries,
        device=np.full(len(users), -1, np.int32),
        devices=(),
        co_visitation={},
        positive_from=None,
        versions={},
        partitions={},
    )


def ranked(shop: Snapshot, lists: Sequence[Sequence[str]], source: str = "co_visitation") -> Ranked:
    """Candidates of users 0, 1, ... best first, all proposed by one source."""
    user = np.repeat(np.arange(len(lists)), [len(each) for each in lists]).astype(np.int32)
    item = shop.items_of([name for each in lists for name in each])
    score = np.concatenate([np.arange(len(each), 0, -1) for each in lists] or [[]]).astype(np.float32)
    code = SOURCES.index(source)
    ranks = np.zeros((len(user), len(SOURCES)), np.int16)
    ranks[:, code] = 1
    chance = (1.0 / (1.0 + np.exp(-score))).astype(np.float32)
    return Ranked(user, item, score, np.full(len(user), code, np.int8), ranks, chance)


def names(shop: Snapshot, entries: Any, user: int) -> list[str]:
    return list(shop.items[entries.item[entries.user == user]])
