"""One change at a time: each variant is judged beside the others, and a second run repeats nothing."""

import pytest

from lake.clock import shift
from lake.errors import BadInput
from lake.settings import Settings
from models import ablation
from models.config import RankerConfig, TrainingConfig
from tests.models import planted

pytestmark = pytest.mark.integration
DS = shift(planted.FIRST, 39)
CONFIG = TrainingConfig(
    sources=("own_items", "linear", "popular"),
    ranker=RankerConfig(networks=2, hidden=(8,), max_epochs=3, cross_buckets=64, learning_rate=5e-3),
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(var=tmp_path_factory.mktemp("var"), pseudonymise=False)
    planted.build(settings, 47, [shift(DS, -14), shift(DS, -7), DS])
    return settings


def test_variants_are_judged_side_by_side_and_nothing_is_done_twice(settings: Settings) -> None:
    names = [ablation.AS_CONFIGURED, "loss pairwise", "one network", "queries of everything only"]
    told = ablation.run(settings, DS, 7, names, CONFIG)
    found = told["variants"]
    assert list(found) == names
    assert told["shoppers"] > 50
    whole = found[ablation.AS_CONFIGURED]
    assert 0.2 < whole["all.ndcg"]["mean"] < 1.0
    assert "all.ndcg.ratio" not in whole
    for name in names[1:]:
        ratio = found[name]["all.ndcg.ratio"]
        assert ratio["mean"] == pytest.approx(found[name]["all.ndcg"]["mean"] / whole["all.ndcg"]["mean"], rel=1e-6)
        assert ratio["low"] <= ratio["mean"] <= ratio["high"]
    assert found["queries of everything only"]["queries"] < whole["queries"]
    assert "| loss pairwise |" in ablation.table(told)
    again = ablation.run(settings, DS, 7, names, CONFIG)
    assert [each["seconds"] for each in again["variants"].values()] == [None] * len(names)
    assert {name: each["all.ndcg"] for name, each in again["variants"].items()} == {
        name: each["all.ndcg"] for name, each in found.items()
    }


def test_a_source_is_taken_out_of_examples_and_lists(settings: Settings) -> None:
    told = ablation.run(settings, DS, 7, ["without own_items"], CONFIG)
    assert told["variants"]["without own_items"]["all.ndcg"]["mean"] > 0


def test_unknown_variants_and_logs_too_short_are_refused(settings: Settings) -> None:
    with pytest.raises(BadInput, match="--only nonsense: no such variant; known are as configured"):
        ablation.run(settings, DS, 7, ["nonsense"], CONFIG)
    with pytest.raises(BadInput, match="too short"):
        ablation.run(settings, planted.FIRST, 7, [ablation.AS_CONFIGURED], CONFIG)
