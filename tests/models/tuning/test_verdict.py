"""What is handed out, and the honest line."""

import pytest

from models.metrics import Estimate
from models.tuning.verdict import verdict

STAGE = {"measure": "NDCG@20", "finished": 8, "pruned": 4, "killed": 0, "given": 0.3, "best": 0.32, "best_trial": 5}


@pytest.mark.parametrize(
    ("stage", "changed", "gain", "handed_out", "line"),
    [
        (STAGE, True, Estimate(0.02, 0.01, 0.03, 800), True, r"^gained \+0\.0200 \[\+0\.0100, \+0\.0300\].* 800 shop"),
        (STAGE, True, Estimate(0.01, -0.01, 0.03, 800), True, r"^may be chance: \+0\.0100"),
        (STAGE, True, Estimate(-0.01, -0.02, 0.00, 800), False, r"^gained nothing: -0\.0100.*stay as given"),
        (STAGE, False, "nothing to check", False, r"^gained nothing: none of 12 trials"),
        (STAGE, True, "the time was over", True, r"^not checked on other days \(the time was over\).*0\.3000 -> 0\.32"),
        ({**STAGE, "finished": 0, "given": None}, False, "nothing to check", False, r"^no trial was finished"),
    ],
    ids=["better", "perhaps better", "worse", "never better", "unchecked", "no time"],
)
def test_the_verdict(
    stage: dict[str, object], changed: bool, gain: Estimate | str, handed_out: bool, line: str
) -> None:
    import re

    told = verdict({"ranker": stage}, changed, gain)
    assert told[0] is handed_out
    assert re.search(line, told[1]), told[1]
