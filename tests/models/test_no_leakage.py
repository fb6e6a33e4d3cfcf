"""What the ranker learns from knows nothing after its cut: another future gives the same candidates and features."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lake.clock import day_end, shift
from lake.columns import Columns as C
from lake.settings import Settings
from models import labels
from models.candidates import two_tower_data
from models.candidates.union import Union, make_sources
from models.config import TrainingConfig, TwoTowerConfig
from models.ranking import examples
from models.ranking.features import PairFeatures
from models.snapshot import Snapshot
from tests.models import planted, small_shop
from tests.models.candidates.towers import random_towers

CUT, DAYS = shift(planted.FIRST, 27), 35
CONFIG = TrainingConfig(two_tower=TwoTowerConfig(dim=8, title_buckets=64))


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> list[Settings]:
    """Two shops with one past: after the cut, each shopper of the second takes what another one took in the first."""
    return [build(tmp_path_factory.mktemp(f"world{world}"), CUT, world == 1) for world in range(2)]


def build(folder: Path, as_of: date, otherwise: bool) -> Settings:
    settings = Settings(var=folder, pseudonymise=False)
    rows = planted.events(DAYS)
    if otherwise:
        rows = [turned(row) if row[C.EVENT_TS] >= day_end(CUT) else row for row in rows]
    small_shop.write(settings, "events", rows)
    for name, features in planted.features(rows, as_of).items():
        small_shop.write(settings, name, features)
    return settings


def turned(row: dict[str, Any]) -> dict[str, Any]:
    """The same event by another item, with another price."""
    other = planted.ITEMS[(planted.ITEMS.index(row[C.ITEM_ID]) + 17) % len(planted.ITEMS)]
    return row | {C.ITEM_ID: other, "price": 99.0, C.EVENT_ID: f"{row[C.EVENT_ID]}-turned"}


def made(settings: Settings) -> tuple[Snapshot, Union]:
    snapshot = Snapshot.load(settings, CUT, exact=True)
    return snapshot, Union(make_sources(CONFIG, random_towers(planted.ITEMS)), CONFIG, snapshot)


def test_the_futures_do_differ(worlds: list[Settings]) -> None:
    one, other = (labels.touched(each, shift(CUT, 1), shift(CUT, 7)) for each in worlds)
    assert set(one) == set(other)
    assert all(one[user] != other[user] for user in one)


@pytest.mark.parametrize("only_new", [False, True])
def test_candidates_and_features_are_the_same_in_both(worlds: list[Settings], only_new: bool) -> None:
    (snapshot, one), (_, other) = (made(each) for each in worlds)
    rows = np.arange(len(snapshot.users), dtype=np.int32)
    blocks = [union.block(rows, only_new=only_new) for union in (one, other)]
    for name, signal in blocks[0].signals.items():
        np.testing.assert_array_equal(signal.dense(), blocks[1].signals[name].dense(), err_msg=name)
    np.testing.assert_array_equal(blocks[0].proposed, blocks[1].proposed)
    found = one.candidates(blocks[0], 200)
    dense = [
        PairFeatures(union).of(block, found, only_new=only_new).dense
        for union, block in zip((one, other), blocks, strict=True)
    ]
    np.testing.assert_array_equal(dense[0], dense[1])


def test_the_two_tower_is_fed_the_same_in_both(worlds: list[Settings]) -> None:
    one, other = (two_tower_data.inputs(made(each)[0], CONFIG, 7) for each in worlds)
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name], err_msg=name)


def test_examples_have_the_features_of_scoring_time_and_the_labels_of_after(worlds: list[Settings]) -> None:
    """Of each shopper who is a query in both worlds the pairs and features agree; only the gains differ."""
    parts = []
    for settings in worlds:
        _, union = made(settings)
        gains = labels.gains(settings, shift(CUT, 1), shift(CUT, 7), CONFIG.event_weights)
        parts.append(examples.build(union, gains, max_queries=1000, seed=1, memory_mb=256))
    both = sorted(set(parts[0].user) & set(parts[1].user))
    assert len(both) > 50
    one, other = (part.take(np.flatnonzero(np.isin(part.user.astype(str), both))) for part in parts)
    np.testing.assert_array_equal(one.pairs.dense, other.pairs.dense)
    np.testing.assert_array_equal(one.pairs.item, other.pairs.item)
    assert (one.gain != other.gain).any()


def test_a_leak_would_be_seen(tmp_path: Path) -> None:
    """The same comparison a week later, where the futures have become pasts, does find the difference."""
    later = []
    for world in range(2):
        settings = build(tmp_path / str(world), shift(CUT, 7), world == 1)
        snapshot = Snapshot.load(settings, shift(CUT, 7), exact=True)
        later.append(Union(make_sources(CONFIG, None), CONFIG, snapshot).block(np.arange(5, dtype=np.int32)))
    assert not np.array_equal(*(block.signals["next_visit"].dense() for block in later))
