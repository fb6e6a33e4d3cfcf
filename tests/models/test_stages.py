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
