"""A made-up shop in memory, of any size: what scoring reads, without a lake. Nothing about its tastes is true."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lake.columns import EVENT_TYPES
from models.bundle import Bundle
from models.candidates.content import CATEGORY_BUCKETS, PRICE_BANDS
from models.candidates.two_tower_data import CONTEXT_BUCKETS
from models.candidates.union import Union
from models.config import TrainingConfig
from models.ranking.features import ITEM_COUNTS, USER_COUNTS
from models.snapshot import RELATIONS, Catalogue, Events, Snapshot

ITEMS, CATEGORIES, PARTNERS, EVENTS_A_SHOPPER, DAYS = 25_000, 200, 30, 25, 180
WORDS = 4_000
DIM = 64


@dataclass(frozen=True)
class BenchShop:
    """A snapshot, the configuration it is scored with, and random towers."""

    snapshot: Snapshot
    config: TrainingConfig
    towers: dict[str, NDArray[Any]]

    @classmethod
    def made(cls, *, shoppers: int, items: int = ITEMS, linear_items: int = 3_000) -> "BenchShop":
        """The same arguments give the same shop.

        Args:
            linear_items: items that take part in the linear models, whose fit is cubic and not what is measured here.
        """
        rng = np.random.default_rng(4)
        config = TrainingConfig.model_validate(
            {"linear": {"max_items": linear_items}, "next_visit": {"max_items": linear_items, "windows": 4}}
        )
        return cls(_snapshot(rng, shoppers, items), config, _towers(rng, items))

    @property
    def union(self) -> Union:
        """The sources made ready."""
        return self.bundle(None).prepared(self.snapshot)

    def bundle(self, ranker: dict[str, NDArray[Any]] | None) -> Bundle:
        """The sources with a ranker's arrays."""
        return Bundle({"trained_through": str(self.snapshot.as_of)}, self.config, self.towers, ranker)


def _snapshot(rng: np.random.Generator, shoppers: int, items: int) -> Snapshot:
    log, ptr = _events(rng, shoppers, items)
    affinity = sparse.random(shoppers, CATEGORIES, 5 / CATEGORIES, "csr", np.float32, random_state=7)
    partners = {name: _partners(rng, items) for name in RELATIONS}
    words = np.array([f"word{number}" for number in range(WORDS)], dtype=object)
    title = np.array([" ".join(each) for each in words[rng.zipf(1.3, (items, 4)) % WORDS]], dtype=object)
    catalogue = Catalogue(
        title=title,
        category=rng.integers(0, CATEGORIES, items).astype(np.int32),
        categories=tuple(f"category {number}" for number in range(CATEGORIES)),
        brand=np.full(items, -1, np.int32),
        brands=(),
        price=rng.lognormal(2, 1, items).astype(np.float32),
        margin=np.full(items, np.nan, np.float32),
        in_stock=np.ones(items, np.bool_),
        age_days=rng.uniform(0, 2 * DAYS, items).astype(np.float32),
    )
    of_items = {name: rng.poisson(3, items) for name in (*ITEM_COUNTS, "buyers", "visitors")}
    of_items["price_band"] = rng.integers(0, 10, items)
    of_users = {name: rng.poisson(3, shoppers) for name in (*USER_COUNTS, "days_since_last", "mean_price")}
    return Snapshot(
        as_of=date(2026, 9, 30),
        users=np.array([f"u{number:07d}" for number in range(shoppers)], dtype=object),
        items=np.array([f"i{number:06d}" for number in range(items)], dtype=object),
        events=log,
        user_ptr=ptr,
        catalogue=catalogue,
        item_features={name: values.astype(np.float32) for name, values in of_items.items()},
        user_features={name: values.astype(np.float32) for name, values in of_users.items()},
        category_affinity=affinity,
        brand_affinity=sparse.csr_matrix((shoppers, 0), dtype=np.float32),
        country=rng.integers(0, 5, shoppers).astype(np.int32),
        countries=("AT", "CH", "DE", "FR", "GB"),
        device=np.full(shoppers, -1, np.int32),
        devices=(),
        co_visitation=partners,
        positive_from=None,
        versions={},
        partitions={},
    )


def _events(rng: np.random.Generator, shoppers: int, items: int) -> tuple[Events, NDArray[np.int64]]:
    counts = rng.poisson(EVENTS_A_SHOPPER, shoppers) + 1
    user = np.repeat(np.arange(shoppers, dtype=np.int32), counts)
    size = len(user)
    item = (rng.zipf(1.2, size) % items).astype(np.int32)
    age = rng.uniform(0, DAYS, size).astype(np.float32)
    order = np.lexsort((-age, user))
    unknown = np.full(size, np.nan, np.float32)
    log = Events(
        user=user,
        item=item[order],
        kind=np.full(size, EVENT_TYPES.index("purchase"), np.int8),
        age_days=age[order],
        value=unknown,
        quantity=np.ones(size, np.float32),
        price=unknown,
        session=np.full(size, -1, np.int32),
    )
    return log, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _partners(rng: np.random.Generator, items: int) -> sparse.csr_matrix:
    row = np.repeat(np.arange(items), PARTNERS)
    column = (row + rng.integers(1, items, len(row))) % items
    return sparse.csr_matrix((rng.random(len(row)).astype(np.float32), (row, column)), shape=(items, items))


def _towers(rng: np.random.Generator, items: int) -> dict[str, NDArray[Any]]:
    rows = {"id": items + 1, "category": CATEGORY_BUCKETS, "brand": CATEGORY_BUCKETS, "band": PRICE_BANDS}
    rows |= {"token": TrainingConfig().two_tower.title_buckets}
    shapes: dict[str, tuple[int, ...]] = {f"{name}_table": (count, DIM) for name, count in rows.items()}
    shapes |= {"country_table": (CONTEXT_BUCKETS, 8), "device_table": (CONTEXT_BUCKETS, 8), "user_table": (1, 8)}
    shapes |= {"hidden_kernel": (DIM + 8, DIM), "hidden_bias": (DIM,), "out_kernel": (DIM, DIM), "out_bias": (DIM,)}
    arrays: dict[str, NDArray[Any]] = {name: rng.normal(size=size).astype(np.float32) for name, size in shapes.items()}
    return arrays | {"item_ids": np.array([f"i{number:06d}" for number in range(items)])}
