"""One row a decision, found again by day and kind."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import numpy as np
import pytest

from lake.errors import BadInput
from lake.settings import Settings
from models import decisions

DAY = date(2026, 11, 20)


def test_a_decision_reads_back_with_its_figures(tmp_settings: Settings) -> None:
    assert decisions.latest(tmp_settings, "keep") is None
    identity = decisions.record(
        tmp_settings,
        "keep",
        DAY,
        "fine",
        {"auc": np.float64(0.8), "day": DAY, "none": float("nan")},
        {"floor": 0.55},
        {"auc": (0.7, 0.9)},
    )
    row = decisions.latest(tmp_settings, ("keep", "retrain"))
    assert row is not None
    assert row["decision_id"] == identity
    assert row["figures"] == {"auc": 0.8, "day": "2026-11-20", "none": None}
    assert row["intervals"] == {"auc": [0.7, 0.9]}
    assert decisions.latest(tmp_settings, "keep", ds="2026-11-19") is None


def test_the_same_key_leaves_one_row(tmp_settings: Settings) -> None:
    key = decisions.decision_id("2026-11-20", "judging", "3")
    for reason in ("first", "second"):
        assert decisions.record(tmp_settings, "keep", DAY, reason, {}, key=key) == key
    assert [row["reason"] for row in decisions.history(tmp_settings)] == ["first"]
    decisions.record(tmp_settings, "keep", DAY, "without a key", {})
    assert len(decisions.history(tmp_settings)) == 2


def test_latest_goes_by_day_before_wall_clock(tmp_settings: Settings) -> None:
    decisions.record(tmp_settings, "retrain", DAY, "newer day", {})
    decisions.record(tmp_settings, "retrain", date(2026, 11, 10), "older day, decided later", {})
    row = decisions.latest(tmp_settings, "retrain")
    assert row is not None
    assert row["reason"] == "newer day"
    assert len(decisions.history(tmp_settings, end=date(2026, 11, 10))) == 1


def test_decisions_of_two_runs_at_once_are_both_kept(tmp_settings: Settings) -> None:
    decisions.record(tmp_settings, "keep", DAY, "the table exists", {})
    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(decisions.record, tmp_settings, "hold", DAY, f"{n}", {}) for n in range(4)]:
            future.result()
    assert len(decisions.history(tmp_settings, ["hold"])) == 4


def test_an_unknown_kind_is_refused(tmp_settings: Settings) -> None:
    with pytest.raises(BadInput, match="kind='guess'"):
        decisions.record(tmp_settings, "guess", DAY, "", {})
