"""What every candidate source promises."""

from copy import copy
from pathlib import Path

import numpy as np
import pytest

from lake.clock import shift
from lake.settings import Settings
from models.candidates.signals import Touched
from models.candidates.union import FUSION_RANKS, Union, make_sources
from models.config import TrainingConfig, TwoTowerConfig
from models.interface import SOURCES, Floats, Ints, Scorer
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


def scores(scorer: Scorer, rows: Ints) -> Floats:
    """The source's own signal, whole."""
    return next(iter(scorer.signals(rows).values())).dense()


def top(scorer: Scorer, rows: Ints, count: int) -> Ints:
    return next(iter(scorer.signals(rows).values())).top(count, Touched.nothing(len(rows)))[0]


def test_a_block_has_a_number_or_no_score_for_every_pair(scorer: Scorer, snapshot: Snapshot) -> None:
    block = scores(scorer, ROWS)
    assert block.dtype == np.float32
    assert block.shape == (len(ROWS), len(snapshot.items))
    assert not np.isnan(block).any()
    assert not np.isposinf(block).any()
    assert scores(scorer, np.zeros(0, np.int32)).shape == (0, len(snapshot.items))


def test_scores_of_a_batch_are_those_of_its_users_one_by_one(scorer: Scorer) -> None:
    batch = scores(scorer, ROWS)
    one_by_one = np.concatenate([scores(scorer, ROWS[n : n + 1]) for n in range(len(ROWS))])
    np.testing.assert_allclose(batch, one_by_one, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(batch[0], batch[4], rtol=1e-5, atol=1e-6)


def test_signals_start_with_the_proposals_and_keep_their_names(scorer: Scorer, union: Union) -> None:
    name = next(name for name, each in union.scorers.items() if each is scorer)
    signals = scorer.signals(ROWS)
    assert next(iter(signals)) == name
    assert list(signals) == list(scorer.signals(ROWS[:1]))
    for name, signal in signals.items():
        whole = signal.dense()
        assert whole.shape == (len(ROWS), len(union.snapshot.items)), name
        np.testing.assert_array_equal(signal.best(), np.maximum(whole.max(axis=1), 0.0), err_msg=name)
        batch = np.repeat(np.arange(len(ROWS), dtype=np.int32), whole.shape[1])
        items = np.tile(np.arange(whole.shape[1], dtype=np.int32), len(ROWS))
        np.testing.assert_allclose(signal.at(batch, items).reshape(whole.shape), whole, rtol=1e-5, atol=1e-6)


def test_the_best_of_a_source_are_those_of_all_its_scores(scorer: Scorer, union: Union) -> None:
    signal, touched = next(iter(scorer.signals(ROWS).values())), union.history.touched(ROWS)
    whole = signal.dense()
    for left_out in (Touched.nothing(len(ROWS)), touched):
        whole[left_out.owner, left_out.item] = -np.inf
        best, value = signal.top(7, left_out)
        order = np.lexsort((np.broadcast_to(np.arange(whole.shape[1]), whole.shape), -whole), axis=1)[:, :7]
        wanted = np.take_along_axis(whole, order, axis=1)
        np.testing.assert_allclose(value, wanted, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(best == -1, np.isneginf(wanted))
        found = np.where(best >= 0, np.take_along_axis(whole, np.maximum(best, 0), axis=1), -np.inf)
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_preparing_again_gives_the_same(scorer: Scorer, union: Union, snapshot: Snapshot) -> None:
    again = Union(make_sources(CONFIG, random_towers(list(snapshot.items[:-1]))), CONFIG, snapshot)
    name = next(name for name, each in union.scorers.items() if each is scorer)
    np.testing.assert_array_equal(scores(again.scorers[name], ROWS), scores(scorer, ROWS))


def test_a_cold_user_gets_no_guess_about_a_history(union: Union) -> None:
    cold = np.array([-1], np.int32)
    for name in ("own_items", "co_visitation", "two_tower", "linear", "next_visit", "ials"):
        assert np.isneginf(scores(union.scorers[name], cold)).all(), name
    assert np.isfinite(scores(union.scorers["popular"], cold)).any()


def test_reasons_rest_on_what_the_shopper_did(union: Union, snapshot: Snapshot) -> None:
    rows = np.arange(20, dtype=np.int32)
    touched = snapshot.touched.toarray() > 0
    codes = {"own_items": "bought", "co_visitation": "co", "two_tower": "similar", "ials": "similar"}
    codes |= {"linear": "co", "next_visit": "co"}
    for name, code in codes.items():
        best = top(union.scorers[name], rows, 5)
        owner, place = np.nonzero(best >= 0)
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
    found = union.candidates(block, 10 * len(snapshot.items))
    pairs = list(zip(found.batch.tolist(), found.items.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    assert pairs == sorted(pairs)
    assert np.bincount(found.batch).max() <= len(snapshot.items)


def test_the_union_agrees_with_its_sources(union: Union) -> None:
    block = proposing(union, 3).block(ROWS)
    for position, name in enumerate(SOURCES):
        np.testing.assert_array_equal(block.proposed[position], top(union.scorers[name], ROWS, 3), err_msg=name)
    # Row by row and item by item, as one would write it down.
    found = union.candidates(block, 5)
    for row in range(len(ROWS)):
        fused: dict[int, float] = {}
        for source in block.proposed[:, row]:
            for place, item in enumerate(source[source >= 0].tolist()):
                fused[item] = fused.get(item, 0.0) + 1.0 / (FUSION_RANKS + place + 1)
        wanted = sorted(sorted(fused, key=lambda item: (-fused[item], item))[:5])
        mine = np.flatnonzero(found.batch == row)
        assert found.items[mine].tolist() == wanted
        for pair in mine:
            for position in range(len(SOURCES)):
                source = block.proposed[position, row].tolist()
                item = found.items[pair]
                assert found.ranks[pair, position] == (source.index(item) + 1 if item in source else 0)


def test_only_new_leaves_out_what_the_shopper_touched(union: Union, snapshot: Snapshot) -> None:
    rows = np.arange(30, dtype=np.int32)
    block = union.block(rows, only_new=True)
    found = union.candidates(block, 200)
    assert len(found)
    assert not (snapshot.touched[rows[found.batch], found.items] > 0).any()
    linear = found.ranks[:, SOURCES.index("linear")]
    assert set(found.batch[linear == 1]) == set(range(30)), "ranks count from the best that may be shown"


def test_sources_without_a_proposal_leave_an_empty_ranking(snapshot: Snapshot) -> None:
    config = TrainingConfig(sources=("linear",))
    nobody = Union(make_sources(config, None), config, snapshot)
    ranked = scoring.rank(scoring.Ranking(nobody, None), np.array([-1, -1], np.int32), 50)
    assert len(ranked) == 0
    assert [part.stop - part.start for _, part in ranked.lists(2)] == [0, 0]


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
    found = union.candidates(union.block(np.array([0, -1], np.int32)), 200)
    batch, items = found.batch, found.items
    assert {(b, i) for b, i in zip(batch.tolist(), items.tolist(), strict=True)} >= {(0, 1), (0, 0)}
