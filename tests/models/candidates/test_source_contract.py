"""What every candidate source promises."""

from copy import copy
from pathlib import Path

import numpy as np
import pytest

from lake.clock import shift
from lake.settings import Settings
from models.candidates.union import Union, make_sources, top
from models.config import TrainingConfig, TwoTowerConfig
from models.interface import SOURCES, Scorer
from models.ranking import scoring
from models.snapshot import Snapshot
from tests.models import planted
from tests.models.candidates.towers import random_towers

AS_OF = shift(planted.FIRST, 20)
CONFIG = TrainingConfig(two_tower=TwoTowerConfig(dim=8, title_buckets=64))


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    settings = Settings(var=tmp_path_factory.mktemp("planted"), pseudonymise=False)
    planted.build(settings, 25, [AS_OF])
    return Snapshot.load(settings, AS_OF)


@pytest.fixture(scope="module")
def union(snapshot: Snapshot) -> Union:
    # One item of the catalogue is unknown to the trained towers.
    return Union(make_sources(CONFIG, random_towers(list(snapshot.items[:-1]))), CONFIG, snapshot)


@pytest.fixture(params=SOURCES)
def scorer(request: pytest.FixtureRequest, union: Union) -> Scorer:
    return union.scorers[request.param]


ROWS = np.array([5, -1, 0, 40, 5], np.int32)


def test_a_block_has_a_number_or_no_score_for_every_pair(scorer: Scorer, snapshot: Snapshot) -> None:
    block = scorer.scores(ROWS)
    assert block.dtype == np.float32
    assert block.shape == (len(ROWS), len(snapshot.items))
    assert not np.isnan(block).any()
    assert not np.isposinf(block).any()
    assert scorer.scores(np.zeros(0, np.int32)).shape == (0, len(snapshot.items))


def test_scores_of_a_batch_are_those_of_its_users_one_by_one(scorer: Scorer) -> None:
    batch = scorer.scores(ROWS)
    one_by_one = np.concatenate([scorer.scores(ROWS[n : n + 1]) for n in range(len(ROWS))])
    np.testing.assert_allclose(batch, one_by_one, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(batch[0], batch[4])


def test_signals_start_with_the_proposals_and_keep_their_names(scorer: Scorer, union: Union) -> None:
    name = next(name for name, each in union.scorers.items() if each is scorer)
    signals = scorer.signals(ROWS)
    assert next(iter(signals)) == name
    assert list(signals) == list(scorer.signals(ROWS[:1]))
    np.testing.assert_array_equal(signals[name], scorer.scores(ROWS))


def test_preparing_again_gives_the_same(scorer: Scorer, union: Union, snapshot: Snapshot) -> None:
    again = Union(make_sources(CONFIG, random_towers(list(snapshot.items[:-1]))), CONFIG, snapshot)
    name = next(name for name, each in union.scorers.items() if each is scorer)
    np.testing.assert_array_equal(again.scorers[name].scores(ROWS), scorer.scores(ROWS))


def test_a_cold_user_gets_no_guess_about_a_history(union: Union) -> None:
    cold = np.array([-1], np.int32)
    for name in ("own_items", "co_visitation", "two_tower", "linear", "next_visit", "ials"):
        assert np.isneginf(union.scorers[name].scores(cold)).all(), name
    assert np.isfinite(union.scorers["popular"].scores(cold)).any()


def test_reasons_rest_on_what_the_shopper_did(union: Union, snapshot: Snapshot) -> None:
    rows = np.arange(20, dtype=np.int32)
    touched = snapshot.touched.toarray() > 0
    codes = {"own_items": "bought", "co_visitation": "co", "two_tower": "similar", "ials": "similar"}
    codes |= {"linear": "co", "next_visit": "co"}
    for name, code in codes.items():
        best, valid = top(union.scorers[name].scores(rows), 5)
        owner, place = np.nonzero(valid)
        told = union.scorers[name].explain(rows[owner], best[owner, place].astype(np.int32))
        assert set(told.code) == {code}
        assert touched[rows[owner], told.value.astype(int)].all(), name


def proposing(union: Union, count: int) -> Union:
    """The same sources with another number of proposals each."""
    other = copy(union)
    other.config = union.config.model_copy(update={"per_source": count})
    return other


def test_more_candidates_than_there_are_items_is_safe(union: Union, snapshot: Snapshot) -> None:
    block = proposing(union, 10 * len(snapshot.items)).block(ROWS)
    batch, items = union.candidates(block, 10 * len(snapshot.items))
    pairs = list(zip(batch.tolist(), items.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    assert pairs == sorted(pairs)
    assert np.bincount(batch).max() <= len(snapshot.items)


def test_the_union_agrees_with_its_sources(union: Union) -> None:
    block = proposing(union, 3).block(ROWS)
    for position, name in enumerate(SOURCES):
        best, valid = top(union.scorers[name].scores(ROWS), 3)
        assert (block.ranks[position] > 0).sum() == valid.sum(), name
        for row in range(len(ROWS)):
            for place in np.flatnonzero(valid[row]):
                assert block.ranks[position, row, best[row, place]] == place + 1


def test_only_new_leaves_out_what_the_shopper_touched(union: Union, snapshot: Snapshot) -> None:
    rows = np.arange(30, dtype=np.int32)
    block = union.block(rows, only_new=True)
    batch, items = union.candidates(block, 200)
    assert len(batch)
    assert not (snapshot.touched[rows[batch], items] > 0).any()
    ranks = np.where(block.ranks > 0, block.ranks, 99)
    assert set(ranks[SOURCES.index("linear")].min(axis=1)) == {1}, "ranks count from the best that may be shown"


def test_sources_without_a_proposal_leave_an_empty_ranking(snapshot: Snapshot) -> None:
    config = TrainingConfig(sources=("linear",))
    nobody = Union(make_sources(config, None), config, snapshot)
    ranked = scoring.rank(nobody, None, np.array([-1, -1], np.int32), 50)
    assert len(ranked) == 0
    assert [part.stop - part.start for _, part in ranked.lists(2)] == [0, 0]


def test_top_breaks_ties_by_item_and_knows_what_was_not_proposed() -> None:
    scores = np.array([[1.0, 3.0, 3.0, -np.inf]], np.float32)
    best, valid = top(scores, 4)
    assert best.tolist() == [[1, 2, 0, 3]]
    assert valid.tolist() == [[True, True, True, False]]


def test_one_item_bought_500_times_and_an_item_without_anything(tmp_path: Path) -> None:
    from lake.clock import day_start
    from tests.models.small_shop import event, write

    settings = Settings(var=tmp_path, pseudonymise=False)
    rows = [event("u1", "only", AS_OF, hour=n / 30) for n in range(500)]
    write(settings, "events", rows)
    ds = AS_OF.isoformat()
    write(settings, "items", [{"item_id": i, "ds": ds, "first_seen_ts": day_start(AS_OF)} for i in ("only", "null")])
    write(settings, "item_features", [{"item_id": i, "ds": ds} for i in ("only", "null")])
    small = Snapshot.load(settings, AS_OF)
    union = Union(make_sources(CONFIG, random_towers(["only"])), CONFIG, small)
    batch, items = union.candidates(union.block(np.array([0, -1], np.int32)), 200)
    assert {(b, i) for b, i in zip(batch.tolist(), items.tolist(), strict=True)} >= {(0, 1), (0, 0)}
