"""What the held-out check calls right and wrong, on figures made by hand."""

import json
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infra.checks import held_out
from infra.checks.__main__ import CHECKS, NEED_DATA
from infra.checks.cost import Cost


def figures(mean: float, lowest: float, low: float) -> dict[str, Any]:
    cuts = [{"cut": f"{cut}", "from": "Redis, version x"} for cut in held_out.CUTS]
    ratios = {"mean_ratio": mean, "lowest_ratio": lowest, "pooled_ratio": [mean, low, 2.0]}
    return {"cuts": cuts, **ratios, "mean_ratio_to_measured_before": 1.0}


GOOD = {"home": figures(1.12, 1.06, 1.04), "discover": figures(1.6, 1.4, 1.3)}


def test_bars_that_are_met_have_no_fault() -> None:
    assert held_out.faults(GOOD, Cost()) == []


@pytest.mark.parametrize(
    ("surface", "bad", "told"),
    [
        ("home", figures(1.09, 1.06, 1.04), "home: mean ratio to the best tuned baseline 1.09, wanted 1.1"),
        ("home", figures(1.12, 1.04, 1.04), "home: lowest ratio to the best tuned baseline 1.04, wanted 1.05"),
        ("discover", figures(1.6, 1.4, 1.02), "discover: low ratio to the best tuned baseline 1.02, wanted 1.03"),
    ],
)
def test_each_bar_is_named_when_missed(surface: str, bad: dict[str, Any], told: str) -> None:
    assert held_out.faults({**GOOD, surface: bad}, Cost()) == [told]


def test_lists_that_did_not_come_from_redis_and_long_trainings_are_faults() -> None:
    elsewhere = deepcopy(GOOD)
    elsewhere["discover"]["cuts"][1]["from"] = "lake, lists of 2011-10-30"
    slow = Cost({"training 2011-10-09": 500.0, "lists 2011-10-09": 101.0, "training 2011-10-30": 599.0})
    first, second = held_out.faults(elsewhere, slow)
    assert first == "discover: lists of 2011-10-30 were not read back from Redis"
    assert second == "training and lists as of 2011-10-09 took 601 s, wanted 600"


def test_every_look_is_on_record(tmp_path: Path) -> None:
    for _ in range(2):
        held_out.note_run(datetime(2026, 11, 25, tzinfo=UTC), GOOD, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "held_out_runs.jsonl").read_text().splitlines()]
    assert len(lines) == 2
    assert lines[0]["home"]["mean_ratio"] == 1.12


def test_verify_knows_the_check_and_that_it_needs_the_log() -> None:
    assert CHECKS["held_out"] is held_out.check
    assert "held_out" in NEED_DATA
