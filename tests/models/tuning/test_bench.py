"""A bench measures what an evaluation would, and refuses windows that teach nothing."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from lake.clock import shift
from lake.errors import BadInput
from lake.settings import Settings
from models import labels
from models.bundle import Bundle
from models.config import TrainingConfig
from models.evaluation import evaluate_bundles
from models.ranking import normalisation
from models.ranking.features import CROSSES, NAMES
from models.snapshot import Snapshot
from models.tuning.bench import Bench, fit_towers
from tests.models import planted

DS = shift(planted.FIRST, 39)
CONFIG = TrainingConfig(sources=("own_items", "popular"), candidates=30)
SECOND, THIRD = shift(DS, -14), shift(DS, -7)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(var=tmp_path_factory.mktemp("var"), pseudonymise=False)
    planted.build(settings, 40, [SECOND, THIRD])
    return settings


@pytest.fixture
def bench(settings: Settings, tmp_path: Path) -> Bench:
    teach, judge = (Snapshot.load(settings, day) for day in (SECOND, THIRD))
    return Bench(settings, teach, judge, 7, cast(Any, None), tmp_path)


def test_its_figure_is_the_one_of_an_evaluation_shopper_by_shopper(settings: Settings, bench: Bench) -> None:
    judged = bench.judged(CONFIG, None)
    ranker = {
        **normalisation.learn(judged.examples.pairs.dense),
        "wide_table": np.zeros((len(CROSSES), 8), np.float32),
        "item_table": np.zeros((8, 1), np.float32),
        "kernel_0": np.random.default_rng(5).normal(size=(1, len(NAMES) + 1, 1)).astype(np.float32),
        "bias_0": np.zeros((1, 1), np.float32),
    }
    bundle = Bundle({"trained_through": SECOND.isoformat()}, CONFIG, None, ranker)
    whole = evaluate_bundles(settings, {"it": bundle}, bench.judge, bench.window)
    assert judged.users.tolist() == whole.users
    assert 0.0 < judged.ndcg(ranker).mean() < 1.0
    np.testing.assert_allclose(judged.ndcg(ranker), whole.rankers["it"].values["all.ndcg"], atol=1e-9)


def test_it_is_taught_before_it_is_judged(bench: Bench) -> None:
    assert bench.window.first > bench.judge.as_of == shift(bench.teach.as_of, bench.days)
    assert bench.window.last == DS
    assert len(bench.lessons(CONFIG, None)) >= 20


@pytest.mark.parametrize("everything", [True, False], ids=["all items liked", "nothing liked"])
def test_labels_that_tell_nothing_apart_are_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, everything: bool
) -> None:
    shoppers = bench.teach.users.tolist() if everything else []
    same = {user: dict.fromkeys(bench.teach.items.tolist(), 1.0) for user in shoppers}
    monkeypatch.setattr(labels, "gains", lambda *_: same)
    with pytest.raises(BadInput, match="nothing to learn an order from"):
        bench.lessons(CONFIG, None)
    if not everything:
        with pytest.raises(BadInput, match="needed to judge by"):
            bench.judged(CONFIG, None)


def test_stage_one_needs_somebody_who_came_back(settings: Settings, bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"two_tower: found \d+ times"):
        fit_towers(bench.judge, TrainingConfig(), 34, cast(Any, None), tmp_path / "fit", None)
