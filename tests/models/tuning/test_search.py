"""The search as its command runs it: what it refuses, which days it asks for, and one from end to end."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lake.clock import shift
from lake.errors import BadInput
from lake.settings import Settings
from models.config import TrainingConfig
from models.tuning.days import plan
from models.tuning.search import run
from tests.models import planted

REPOSITORY = Path(__file__).resolve().parents[3]
DS = shift(planted.FIRST, 39)
SMALL = (
    '{"two_tower": {"title_buckets": 64, "max_epochs": 3, "patience": 1, "batch_size": 256},'
    ' "ranker": {"networks": 1, "max_epochs": 3, "cross_buckets": 64, "hidden": [16]}}'
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(var=tmp_path_factory.mktemp("var"), pseudonymise=False)
    planted.build(settings, 40, [shift(DS, -7 * windows) for windows in range(4)])
    return settings


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"minutes": 0}, "--minutes 0"),
        ({"minutes": -1}, "--minutes -1"),
        ({"stage": "linear"}, "--stage 'linear': give two_tower, ranker, both"),
        ({"trials": 0}, "--trials 0"),
        ({"study": "../other"}, "--study"),
        ({"given": TrainingConfig(sources=("own_items",))}, "not among the sources"),
        ({"given": TrainingConfig(window_days=9)}, "has 40 days up to then, a search needs 45"),
        ({"ds": shift(planted.FIRST, 2)}, "has 3 days up to then"),
        ({"ds": shift(planted.FIRST, -1)}, "no events"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_what_makes_no_sense_is_refused_before_anything_is_trained(
    shop: Settings, more: dict[str, Any], told: str
) -> None:
    arguments = {"ds": DS, "given": TrainingConfig(), "minutes": 1.0, **more}
    with pytest.raises(BadInput, match=told):
        run(shop, arguments.pop("ds"), arguments.pop("given"), **arguments)


def test_the_plan_of_a_search_holds_the_days_of_the_training_after_it(shop: Settings) -> None:
    config = TrainingConfig()
    trained, searched = plan(shop, DS, config, 0), plan(shop, DS, config, 30)
    assert set(trained["as_of"]) < set(searched["as_of"])
    assert shift(DS, -21).isoformat() in searched["as_of"]
    assert searched["missing"] == []
    assert plan(shop, shift(DS, -1), config, 30)["missing"] == plan(shop, shift(DS, -1), config, 30)["as_of"]


@pytest.mark.integration
@pytest.mark.verify
def test_a_search_from_end_to_end(shop: Settings, tmp_path: Path) -> None:
    environment = {**os.environ, "VAR": str(shop.var), "PSEUDONYMISE": "false", "LAKE_ROOT": shop.lake_root}
    environment |= {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    found = tmp_path / "found.json"
    command = [sys.executable, "-m", "models.tuning", "--ds", f"{DS}", "--minutes", "5", "--trials", "2"]
    command += ["--config", SMALL, "--study", "planted", "--json", str(found)]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout.splitlines()[-1])
    for figures in result["stages"].values():
        assert figures["finished"] + figures["pruned"] == 2
        assert figures["best"] >= figures["given"] > 0.1
    assert result["window_days"] == 7
    assert result["verdict"]

    config = TrainingConfig.parse(found.read_text())
    given = TrainingConfig.parse(SMALL)
    assert TrainingConfig.parse(json.dumps(result["config"])) == config
    assert (config.ranker.hidden, config.two_tower.max_epochs) == (given.ranker.hidden, given.two_tower.max_epochs)
    assert result["changed"] == (config != given)

    with sqlite3.connect(tmp_path / "mlflow.db") as kept:
        [parent] = kept.execute("SELECT run_uuid FROM tags WHERE key = 'kind' AND value = 'search'").fetchall()
        children = kept.execute("SELECT run_uuid FROM tags WHERE key = 'mlflow.parentRunId' AND value = ?", parent)
        assert len(children.fetchall()) == 4
    assert not (shop.var / "tuning" / "planted.work").exists()
