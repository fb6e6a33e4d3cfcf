"""Two workers on loopback run a whole training over one VAR: one bundle, registered by the chief alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.checks import distributed
from infra.embedded.layout import HOME
from lake.settings import Settings
from tests.models import planted
from tests.models.test_training import CONFIG, DS

pytestmark = pytest.mark.verify
LIMIT_SECONDS = 900


def train(settings: Settings, folder: Path) -> list[subprocess.CompletedProcess[str]]:
    """Both workers' results, the chief's first."""
    command = [sys.executable, "-m", "models.training", "--ds", DS.isoformat()]
    command += ["--config", json.dumps(CONFIG.get_config())]
    given = {"VAR": str(settings.var), "PSEUDONYMISE": "false", "JUDGE_USERS": "40", "THREADS": "1"}
    given |= {"ACCELERATOR": "cpu", "TRAINING_STRATEGY": "multi-worker"}
    running, logs = [], []
    for number, config in enumerate(distributed.tf_configs(2)):
        logs.append(folder / f"worker-{number}.log")
        with logs[-1].open("w") as log:
            environment = os.environ | given | {"TF_CONFIG": config}
            running.append(
                subprocess.Popen(command, cwd=HOME, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
            )
    try:
        done = []
        for each, log in zip(running, logs, strict=True):
            out, _ = each.communicate(timeout=LIMIT_SECONDS)
            done.append(subprocess.CompletedProcess(command, each.returncode, out, log.read_text()))
        return done
    finally:
        for each in running:
            each.kill()


def test_two_workers_give_one_registered_bundle(tmp_path: Path) -> None:
    from lake.clock import shift
    from models.bundle import Bundle
    from models.registry import Registry

    settings = Settings(var=tmp_path / "var", pseudonymise=False, judge_users=40)
    planted.build(settings, 40, [shift(DS, -14), shift(DS, -7), DS])
    chief, other = train(settings, tmp_path)
    for each in (chief, other):
        assert each.returncode == 0, each.stderr[-4000:]
    result = json.loads(chief.stdout.splitlines()[-1])
    assert (result["kind"], result["promoted"]) == ("full", True)
    assert result["metrics"]["reference_auc"] > 0.6
    assert json.loads(other.stdout.splitlines()[-1])["worker"] == 1
    assert "2 replicas" in chief.stderr
    assert "2 replicas" in other.stderr
    found = Registry(settings).resolve(result["version"])
    assert found is not None
    assert result["version"] == "1", "the other worker registered, too"
    bundle = Bundle.load(found[1])
    assert bundle.two_tower is not None
    assert bundle.ranker is not None
    again = [json.loads(each.stdout.splitlines()[-1]) for each in train(settings, tmp_path)]
    assert again[0]["version"] == result["version"], "a finished training is not repeated"
