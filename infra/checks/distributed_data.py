"""Planted examples for both networks, for the check `distributed`: something to learn, and the same for everybody."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.candidates.content import TITLE_TOKENS
from models.config import RankerConfig, TwoTowerConfig
from models.ranking.examples import Examples
from models.ranking.features import CROSSES, NAMES, Pairs

TOWER = TwoTowerConfig(
    dim=16, title_buckets=16, hidden=8, batch_size=256, history=10, max_epochs=4, patience=4, learning_rate=0.01
)
TOWER_ALL = TOWER.model_copy(update={"encoder": "attention", "log_q": "streaming", "hard_negatives": 60})
"""Whatever a step's candidates are used for, but for items drawn at random."""
RANKER = RankerConfig(networks=2, hidden=(32, 16), cross_buckets=256, max_epochs=4, item_dim=4, patience=4)


def tower_examples(users: int = 600, items: int = 400, groups: int = 8, visits: int = 12) -> dict[str, NDArray[Any]]:
    """What `two_tower_data.inputs` gives: shoppers of a group touch its items only, one a day, the last held out."""
    rng = np.random.default_rng(0)
    group = np.arange(users) % groups
    item = (rng.integers(items // groups, size=(users, visits)) * groups + group[:, None]) % items
    age = np.broadcast_to(np.arange(visits, 0, -1) - 0.5, (users, visits))
    user, visit = (part.ravel() for part in np.mgrid[:users, 1 : visits - 1])
    held = np.arange(users, dtype=np.int64)
    return {
        "item": item.ravel().astype(np.int32),
        "age": age.ravel().astype(np.float32),
        "said": np.ones(users * visits, np.float32),
        "begin": user.astype(np.int64) * visits,
        "end": user.astype(np.int64) * visits + visit,
        "now": (visits - visit).astype(np.float32),
        "target": item[:, 1:-1].ravel().astype(np.int32),
        "user": user.astype(np.int32),
        "context": np.zeros((users, 3), np.int32),
        "item_ids": np.array([f"i{number:04d}" for number in range(items)]),
        "held_user": held.astype(np.int32),
        "held_begin": held * visits,
        "held_end": held * visits + visits - 1,
        "held_now": np.ones(users, np.float32),
        "held_targets": item[:, -1].astype(np.int32),
        "held_ptr": np.arange(users + 1, dtype=np.int64),
        **{name: np.zeros(items, np.int32) for name in ("category", "brand", "band")},
        "tokens": np.zeros((items, TITLE_TOKENS), np.int32),
    }


def ranker_examples(queries: int = 603, longest: int = 30) -> Examples:
    """Queries of unequal length, whose best three by two features together are what was touched."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(longest // 2, longest + 1, queries)
    ptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    count = int(ptr[-1])
    dense = rng.normal(size=(count, len(NAMES))).astype(np.float32)
    worth = 2 * dense[:, 0] + 2 * dense[:, 1] + rng.normal(size=count) * 0.3
    gain = np.zeros(count, np.float32)
    for begin, end in pairwise(ptr):
        gain[begin + np.argsort(-worth[begin:end])[:3]] = 1.0
    wide, item = (rng.integers(0, 2**31 - 1, shape).astype(np.int32) for shape in ((count, len(CROSSES)), count))
    users = np.array([f"u{number:04d}" for number in range(queries)], dtype=object)
    return Examples(Pairs(dense, wide, item), gain, ptr, users)
