"""What each source brings, on rankings whose answers are known by hand."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from lake.clock import shift
from lake.errors import BadInput
from lake.settings import Settings
from models.candidates_judged import judge
from models.config import TrainingConfig
from models.interface import SOURCES, Ranked
from models.snapshot import Snapshot
from tests.models import planted
from tests.models.small_shop import event, features, write

DAY = shift(planted.FIRST, 1)
CONFIG = TrainingConfig(sources=("own_items", "popular"))


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    """Two shoppers, items a to d; u1 had a, u2 had b."""
    settings = Settings(var=tmp_path, pseudonymise=False)
    write(settings, "events", [event(u, i, DAY) for u, i in (("u1", "a"), ("u2", "b"), ("u2", "c"), ("u1", "d"))])
    features(settings, [DAY])
    return Snapshot.load(settings, DAY)


def ranking(*rows: tuple[int, int, int, int]) -> Any:
    """A bundle that always ranks the same: (user, item, rank of own_items, rank of popular) in order of score."""
    ranks = np.zeros((len(rows), len(SOURCES)), np.int16)
    for number, row in enumerate(rows):
        ranks[number, SOURCES.index("own_items")], ranks[number, SOURCES.index("popular")] = row[2:]
    user, item = (np.array([row[column] for row in rows], np.int32) for column in (0, 1))
    score, source = -np.arange(len(rows), dtype=np.float32), np.zeros(len(rows), np.int8)
    ranked = Ranked(user, item, score, source, ranks, np.full(len(rows), np.nan, np.float32))
    return SimpleNamespace(config=CONFIG, score=lambda *_, **__: ranked)


def test_what_each_source_found_alone_and_together(snapshot: Snapshot) -> None:
    a, b, c, d = (snapshot.item_index[item] for item in "abcd")
    bundle = ranking((0, b, 0, 1), (0, a, 1, 2), (1, c, 2, 0), (1, d, 0, 1))
    told = judge(bundle, snapshot, {"u1": {"a", "b", "never seen"}, "u2": {"c", "gone"}})
    assert told.users == 2
    # u1: 2 of 3 targets, u2: 1 of 2.
    assert told.recall == pytest.approx((2 / 3 + 1 / 2) / 2)
    own, popular = told.sources["own_items"], told.sources["popular"]
    assert own.recall == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert own.unique == pytest.approx((0 + 1 / 2) / 2)
    assert popular.recall == pytest.approx((2 / 3 + 0) / 2)
    assert popular.unique == pytest.approx((1 / 3 + 0) / 2)
    assert (own.candidates, popular.candidates) == (0.5, 0.75)
    assert own.catalogue == pytest.approx(2 / len(snapshot.items))
    first, second = 1.0, 1 / np.log2(3)
    ideal = (first + second + 1 / np.log2(4), first + second)
    # By its own order `own_items` shows u1 a first, and u2 c second.
    assert own.ndcg == pytest.approx((first / ideal[0] + second / ideal[1]) / 2)
    assert told.ndcg == pytest.approx(((first + second) / ideal[0] + first / ideal[1]) / 2)
    assert set(told.sources) == set(CONFIG.sources)
    assert "own_items" in told.table()


def test_nobody_to_judge_is_told(snapshot: Snapshot) -> None:
    with pytest.raises(BadInput, match="no shopper known"):
        judge(cast(Any, ranking()), snapshot, {"stranger": {"a"}})
