"""Who works on a training: what TF_CONFIG says, and waiting for the chief."""

import json
from pathlib import Path
from typing import Any

import pytest

from lake.errors import BadInput, Unavailable
from lake.settings import Settings
from models.workers import Workers, wait_for

TWO = ["10.0.0.1:2000", "10.0.0.2:2000"]


def found(config: Any, strategy: str = "auto") -> Workers:
    text = config if isinstance(config, str) else json.dumps(config)
    return Workers.of(Settings.model_validate({"training_strategy": strategy}), {"TF_CONFIG": text})


def test_without_tf_config_a_process_is_alone_and_the_chief() -> None:
    alone = Workers.of(Settings(), {})
    assert (alone.several, alone.chief) == (False, True)
    one = found({"cluster": {"worker": TWO[:1]}, "task": {"type": "worker", "index": 0}})
    assert (one.several, one.chief) == (False, True)


def test_workers_and_a_chief_are_counted_from_the_chief() -> None:
    second = found({"cluster": {"worker": TWO}, "task": {"type": "worker", "index": 1}})
    assert (second.several, second.chief, second.index) == (True, False, 1)
    with_chief = {"worker": TWO, "chief": ["10.0.0.9:2000"]}
    chief = found({"cluster": with_chief, "task": {"type": "chief", "index": 0}})
    worker = found({"cluster": with_chief, "task": {"type": "worker", "index": 1}})
    assert (chief.chief, worker.chief, worker.index) == (True, False, 2)
    assert worker.addresses == ("10.0.0.9:2000", *TWO)


def test_ports_move_up_for_the_second_process() -> None:
    told = json.loads(found({"cluster": {"worker": TWO}, "task": {"type": "worker", "index": 1}}).tf_config(1))
    assert told == {"cluster": {"worker": ["10.0.0.1:2001", "10.0.0.2:2001"]}, "task": {"type": "worker", "index": 1}}


@pytest.mark.parametrize("strategy", ["single", "mirrored"])
def test_other_strategies_look_at_nobody(strategy: str) -> None:
    assert not found({"cluster": {"worker": TWO}, "task": {"type": "worker", "index": 1}}, strategy).several


@pytest.mark.parametrize(
    "config",
    [
        "{",
        "[]",
        {"cluster": {"worker": TWO}},
        {"cluster": {"worker": TWO}, "task": {"type": "worker", "index": 2}},
        {"cluster": {"worker": TWO, "ps": ["10.0.0.3:2000"]}, "task": {"type": "worker", "index": 0}},
        {"cluster": {"worker": TWO}, "task": {"type": "evaluator", "index": 0}},
    ],
    ids=["no json", "no object", "no task", "no such worker", "parameter server", "no worker"],
)
def test_a_wrong_tf_config_is_refused_by_name(config: Any) -> None:
    with pytest.raises(BadInput, match="TF_CONFIG"):
        found(config)


def test_workers_demanded_and_not_named_fail_clearly() -> None:
    with pytest.raises(BadInput, match="TRAINING_STRATEGY=multi-worker, but TF_CONFIG names no second worker"):
        found("", "multi-worker")


def test_a_chief_that_writes_nothing_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    wait_for(tmp_path / "there", 0.0)
    with pytest.raises(Unavailable, match="is VAR one folder for all"):
        wait_for(tmp_path / "never", 0.3)
