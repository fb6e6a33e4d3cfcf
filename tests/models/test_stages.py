"""Stage marks: made once, kept for the same input, thrown away for another."""

import os
from pathlib import Path

import numpy as np
import pytest

from models.stages import KEPT, Stages, fingerprint, prune


def test_a_stage_is_made_once_for_the_same_input(tmp_path: Path) -> None:
    made: list[str] = []

    def arrays() -> dict[str, np.ndarray]:
        made.append("arrays")
        return {"a": np.arange(3)}

    def value() -> dict[str, int]:
        made.append("value")
        return {"n": 1}

    for _ in range(2):
        stages = Stages(tmp_path, fingerprint(["x", 1]), 2)
        assert stages.arrays("one", arrays)["a"].tolist() == [0, 1, 2]
        assert stages.value("two", value) == {"n": 1}
    assert made == ["arrays", "value"]
    Stages(tmp_path, fingerprint(["x", 2]), 2).arrays("one", arrays)
    assert made == ["arrays", "value", "arrays"]
    assert len(list(tmp_path.iterdir())) == 1, "results of other input stay behind"


def test_a_stage_that_dies_leaves_no_mark(tmp_path: Path) -> None:
    stages = Stages(tmp_path, fingerprint([]), 1)

    def die() -> dict[str, np.ndarray]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stages.arrays("one", die)
    assert stages.arrays("one", lambda: {"a": np.zeros(1)})["a"].tolist() == [0.0]


def test_the_trainings_used_last_stay(tmp_path: Path) -> None:
    days = [tmp_path / f"2026-10-{n:02}" for n in range(1, KEPT + 3)]
    for age, folder in enumerate(reversed(days)):
        assert prune(folder, keep=100) == []
        os.utime(folder, (1_000_000 - age, 1_000_000 - age))
    assert prune(days[0]) == [days[2].name, days[1].name], "an old day trained again is new; the next oldest go"
    assert sorted(tmp_path.iterdir()) == [days[0], *days[3:]]
    assert prune(tmp_path / "2026-11-01") == [days[3].name]


def test_a_worker_takes_part_in_what_is_made_together_and_reads_the_rest(tmp_path: Path) -> None:
    key, made = fingerprint(["x"]), []
    chief, worker = Stages(tmp_path, key, 4), Stages(tmp_path, key, 4, chief=False)

    def arrays() -> dict[str, np.ndarray]:
        made.append("by the worker")
        # The chief is done while the worker still takes part.
        Stages(tmp_path, key, 4).arrays("network", lambda: {"a": np.arange(3)})
        return {"a": np.arange(9)}

    assert worker.arrays("network", arrays, together=True)["a"].tolist() == [0, 1, 2], "the chief's result counts"
    chief.arrays("examples", lambda: {"b": np.arange(2)})
    chief.value("told", lambda: {"n": 1})
    assert worker.arrays("examples", arrays)["b"].tolist() == [0, 1]
    assert worker.value("told", lambda: made.append("a value")) == {"n": 1}
    assert made == ["by the worker"]
    other = Stages(tmp_path, fingerprint(["y"]), 1, chief=False)
    assert chief.folder.exists(), "a worker removes nothing"
    assert other.folder != chief.folder
