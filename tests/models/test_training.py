"""A whole training: from too small a shop to a bundle of both models, registered once however often it is asked for."""

from pathlib import Path
from typing import Any

import pytest

from lake.clock import shift
from lake.errors import BadInput
from lake.settings import Settings
from models.config import RankerConfig, TrainingConfig, TwoTowerConfig
from tests.models import planted

DS = shift(planted.FIRST, 39)
CONFIG = TrainingConfig(
    two_tower=TwoTowerConfig(dim=16, title_buckets=64, hidden=8, batch_size=256, max_epochs=4, patience=1, history=20),
    ranker=RankerConfig(hidden=(16,), max_epochs=6, cross_buckets=64, learning_rate=5e-3),
)

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(var=tmp_path_factory.mktemp("var"), pseudonymise=False, judge_users=40)
    planted.build(settings, 40, [shift(DS, -14), shift(DS, -7), DS])
    return settings


def run(settings: Settings, **more: Any) -> dict[str, Any]:
    from models.training import run as train

    return train(settings, DS, CONFIG, **more)


def test_training_end_to_end(settings: Settings, told: Any) -> None:
    from models.bundle import Bundle
    from models.registry import Registry
    from models.snapshot import Snapshot

    small = run(settings.model_copy(update={"min_shoppers": 10_000}))
    assert (small["kind"], small["promoted"]) == ("fallback", True)

    full = run(settings)
    assert full["kind"] == "full"
    assert full["version"] != small["version"]
    recall = full["metrics"]["rankers"]["trial"]["all.recall@20"]["mean"]
    assert recall > full["metrics"]["rankers"]["popular_7d"]["all.recall@20"]["mean"]
    assert 0.6 < full["metrics"]["reference_auc"] <= 1.0
    assert told("nightshelf_training_bundle_version") == {(): float(full["version"])}
    assert told("nightshelf_training_promoted") == {(): full["promoted"]}
    assert told("nightshelf_training_reference_auc") == {(): full["metrics"]["reference_auc"]}
    stages = {stage for (stage,) in told("nightshelf_training_stage_seconds")}
    assert {"ranker", "evaluation"} <= stages
    assert not [stage for stage in stages if any(sign.isdigit() for sign in stage)], "a day would be a new series"

    found = Registry(settings).resolve(full["version"])
    assert found is not None
    bundle = Bundle.load(found[1])
    assert bundle.trained_through == DS
    assert bundle.manifest["delta_versions"]["events"] >= 0
    assert bundle.ranker is not None
    assert bundle.two_tower is not None
    snapshot = Snapshot.load(settings, DS)
    ranked = bundle.score(snapshot, ["u003", "u004"])
    assert ((ranked.probability > 0) & (ranked.probability < 1)).all()
    for user, part in ranked.lists(2):
        own = [
            planted.group(snapshot.items[i]) == planted.user_group(("u003", "u004")[user])
            for i in ranked.item[part][:8]
        ]
        assert sum(own) >= 6

    again = run(settings)
    assert again["version"] == full["version"]
    assert again["seconds"] == {}, "a finished stage was repeated"


def test_a_missing_feature_day_is_named_with_the_command_that_makes_it(settings: Settings, tmp_path: Path) -> None:
    alone = Settings(var=tmp_path, pseudonymise=False)
    planted.build(alone, 40, [DS])
    with pytest.raises(BadInput, match=rf"--features-only --as-of {shift(DS, -14)}"):
        run(alone)
