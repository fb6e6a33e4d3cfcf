"""Towers with random weights, for tests that need a two-tower but not a trained one."""

import numpy as np

from models.candidates.content import CATEGORY_BUCKETS, PRICE_BANDS
from models.candidates.two_tower_data import CONTEXT_BUCKETS


def random_towers(items: list[str]) -> dict[str, np.ndarray]:
    """Arrays of 8 dimensions and 64 title buckets that know the items given."""
    rng, dim = np.random.default_rng(1), 8
    rows = {
        "id": len(items) + 1,
        "category": CATEGORY_BUCKETS,
        "brand": CATEGORY_BUCKETS,
        "band": PRICE_BANDS,
        "token": 64,
    }
    tables = {f"{name}_table": rng.normal(size=(count, dim)).astype(np.float32) for name, count in rows.items()}
    for name, count in {"country": CONTEXT_BUCKETS, "device": CONTEXT_BUCKETS, "user": 1}.items():
        tables[f"{name}_table"] = rng.normal(size=(count, 4)).astype(np.float32)
    dense = {"hidden_kernel": (dim + 4, 5), "hidden_bias": (5,), "out_kernel": (5, dim), "out_bias": (dim,)}
    shapes = {name: rng.normal(size=shape).astype(np.float32) for name, shape in dense.items()}
    return {**tables, **shapes, "item_ids": np.array(items)}
