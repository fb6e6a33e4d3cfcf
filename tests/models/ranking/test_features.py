"""Features as the network wants them are those that training saw, brought to scale."""

import numpy as np
import pytest

from lake.clock import shift
from lake.settings import Settings
from models.candidates.union import Union, make_sources
from models.config import TrainingConfig, TwoTowerConfig
from models.ranking import normalisation
from models.ranking.features import NAMES, PairFeatures
from models.snapshot import Snapshot
from tests.models import planted
from tests.models.candidates.towers import random_towers

AS_OF = shift(planted.FIRST, 20)
CONFIG = TrainingConfig(two_tower=TwoTowerConfig(dim=8, title_buckets=64))
ROWS = np.array([-1, *range(40)], np.int32)


@pytest.fixture(scope="module")
def union(tmp_path_factory: pytest.TempPathFactory) -> Union:
    settings = Settings(var=tmp_path_factory.mktemp("planted"), pseudonymise=False)
    planted.build(settings, 25, [AS_OF])
    return Union(make_sources(CONFIG, random_towers(planted.ITEMS)), CONFIG, Snapshot.load(settings, AS_OF))


@pytest.mark.parametrize("only_new", [False, True])
def test_scaled_features_are_the_plain_ones_after_normalisation(union: Union, only_new: bool) -> None:
    block = union.block(ROWS, only_new=only_new)
    found = union.candidates(block, 30)
    plain = PairFeatures(union).of(block, found, only_new=only_new)
    assert np.isfinite(plain.dense).all()
    scale = normalisation.learn(plain.dense)
    scaled = PairFeatures(union, scale).of(block, found, only_new=only_new)
    np.testing.assert_allclose(scaled.dense, normalisation.apply(scale, plain.dense), atol=1e-5)
    np.testing.assert_array_equal(scaled.wide, plain.wide)


def test_what_is_asked_of_some_pairs_is_what_all_of_them_got(union: Union) -> None:
    block = union.block(ROWS)
    found = union.candidates(block, 30)
    features = PairFeatures(union)
    some = np.arange(0, len(found), 3)
    again = block.pairs(found.batch[some], found.items[some])
    np.testing.assert_array_equal(again.ranks, found.ranks[some])
    whole, part = features.of(block, found, only_new=False), features.of(block, again, only_new=False)
    np.testing.assert_array_equal(part.dense, whole.dense[some])


def test_a_shopper_without_a_history_has_nothing_of_one(union: Union) -> None:
    block = union.block(ROWS)
    found = union.candidates(block, 30)
    dense = PairFeatures(union).of(block, found, only_new=False).dense[found.batch == 0]
    named = dict(zip(NAMES, dense.T, strict=True))
    assert not any(named[name].any() for name in NAMES if name.startswith("user_") or name == "touched")
    assert np.allclose(named["last_age"], np.log1p(400.0))


def test_interpolation_is_that_of_numpy() -> None:
    rng = np.random.default_rng(3)
    dense = np.stack([rng.normal(size=900), rng.integers(0, 3, 900), np.full(900, 4.0), rng.exponential(size=900)], 1)
    scale = normalisation.learn(dense.astype(np.float32))
    asked = np.concatenate([dense, dense * 3 - 1, scale["at"].T]).astype(np.float32)
    wanted = [np.interp(asked[:, n], scale["at"][n], scale["score"][n]) for n in range(dense.shape[1])]
    np.testing.assert_allclose(normalisation.apply(scale, asked), np.stack(wanted, axis=1), atol=1e-5)
