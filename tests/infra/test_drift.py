"""What the drift check calls right and wrong, on nights made by hand."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from infra.checks import drift
from infra.checks.__main__ import CHECKS
from infra.checks.drift_nights import DriftSettings, Night, Plan, faults, summary, undiluted
from lake.clock import shift
from lake.errors import BadInput

DRIFT_ON = date(2026, 11, 1)
POOL = 4
"""Days that a night of these shops pools."""


def night(number: int, asked: str = "") -> Night:
    """The night `number` days after the drift; `asked` is the cause of a retraining."""
    day = shift(DRIFT_ON, number)
    decision = "retrain" if asked else "keep"
    return Night(day, decision, asked or "none", "1", 0.8, 0.78, 0.82, 0.79, 500, shift(day, 1 - POOL), 0.76)


def found(*asked: tuple[int, str], quiet: tuple[tuple[int, str], ...] = (), nights: int = 14) -> list[str]:
    """Faults of a shop whose training was asked for on some nights."""
    drifted = [night(n, dict(asked).get(n, "")) for n in range(nights)]
    return faults([night(n, dict(quiet).get(n, "")) for n in range(-16, 14)], drifted, DRIFT_ON, 30)


@pytest.mark.parametrize("on", range(POOL))
def test_once_while_the_pool_still_reaches_back_before_the_drift_is_right(on: int) -> None:
    assert found((on, "drift")) == []


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ((), "triggered nothing until 2026-11-14"),
        (((POOL, "drift"),), "triggered on 2026-11-05, though nothing diluted it from 2026-11-04"),
        (((1, "drift"), (9, "drift")), "triggered 2 times: 2026-11-02, 2026-11-10"),
        (((1, "drift"), (8, "age")), "other causes than AUC on 2026-11-09"),
        (((2, "age"),), "triggered nothing"),
    ],
    ids=["never", "late", "twice", "also_by_age", "only_by_age"],
)
def test_anything_else_is_a_fault(asked: tuple[tuple[int, str], ...], told: str) -> None:
    assert told in "; ".join(found(*asked))


@pytest.mark.parametrize("cause", ["drift", "floor", "age"])
def test_no_quiet_night_may_ask_for_training(cause: str) -> None:
    [fault] = found((0, "drift"), quiet=((-3, cause),))
    assert fault.startswith(f"quiet night 2026-10-29: retrain ({cause})")


def test_a_night_that_judged_nobody_proves_nothing() -> None:
    nights = [night(0, "drift"), replace(night(1), users=12)]
    assert faults([], nights, DRIFT_ON, 30) == ["1 nights judged fewer than 30 shoppers, the first on 2026-11-02"]


def test_a_pool_is_undiluted_once_its_oldest_day_is_the_drifts() -> None:
    nights = [night(n) for n in range(6)]
    assert undiluted(nights, DRIFT_ON) == shift(DRIFT_ON, POOL - 1)
    assert undiluted(nights[: POOL - 1], DRIFT_ON) is None
    alone = [replace(each, oldest=each.day) for each in nights]
    assert undiluted(alone, DRIFT_ON) == DRIFT_ON


def test_both_shops_share_the_nights_before_the_drift_and_the_quiet_one_has_all_of_its_nights() -> None:
    plan = Plan.of(DriftSettings(history_days=45, quiet_nights=30, nights_before=16, nights_after=14))
    days = (plan.history, plan.shared, plan.quiet, plan.drifted)
    assert [f"{part}" for part in days] == [
        "2026-09-01..2026-10-15",
        "2026-10-16..2026-10-31",
        "2026-11-01..2026-11-14",
        "2026-11-01..2026-11-14",
    ]
    assert len(plan.shared) + len(plan.quiet) == 30
    assert plan.drift_on == DRIFT_ON


def test_a_drift_after_the_quiet_nights_is_refused() -> None:
    with pytest.raises(BadInput, match="DRIFT_NIGHTS_BEFORE=30"):
        Plan.of(DriftSettings(quiet_nights=30, nights_before=30))


def judged(**figures: object) -> dict[str, object]:
    whole = {"cause": "drift", "bundle": "1", "auc": 0.71, "users": 503, "days": ["2026-11-01", "2026-10-31"]}
    whole |= {"auc_by_day": {"2026-11-01": 0.64, "2026-10-31": 0.8}}
    limits = {"drift_auc": 0.77}
    bounds = {"auc": [0.69, 0.73]}
    row = {"ds": "2026-11-01", "decision": "retrain", "thresholds": limits, "intervals": bounds}
    return {**row, "figures": {**whole, **figures}}


def test_a_night_is_read_from_what_judging_returns() -> None:
    read = Night.of(judged())
    assert read.triggered
    assert (read.oldest, read.auc_of_day, read.limit) == (date(2026, 10, 31), 0.64, 0.77)
    assert read.told() == (
        "retrain (drift); bundle 1: AUC 0.710 [0.690, 0.730] of 503 shoppers of 2 days, that day alone 0.640, "
        "limit 0.770"
    )
    assert not Night.of(judged(cause="age")).triggered


def test_a_night_that_could_not_be_judged_is_told_so() -> None:
    unjudged = judged(cause="none", auc=None, users=0, days=[], auc_by_day={})
    assert Night.of({**unjudged, "decision": "keep", "intervals": {}}).told() == "keep; nobody judged"


def test_the_record_shows_each_night_and_the_extremes() -> None:
    shown = summary([night(0), replace(night(1, "drift"), auc=0.7, users=480)])
    assert shown["triggered_on"] == ["2026-11-02"]
    assert (shown["auc_lowest"], shown["auc_highest"], shown["users_fewest"]) == (0.7, 0.8, 480)
    assert list(shown["by_night"]) == ["2026-11-01", "2026-11-02"]


def test_a_shop_keeps_to_its_own_folder_whatever_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LAKE_ROOT", "DATA", "VAR"):
        monkeypatch.setenv(name, "/somebody/elses")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    settings = drift.shop_settings(tmp_path)
    places = (settings.lake_root, settings.data, settings.mlflow_tracking_uri.removeprefix("sqlite:///"))
    assert all(Path(place).is_relative_to(tmp_path) for place in places)
    assert (settings.retrain_every_days, settings.pseudonymise) == (0, False)


def test_verify_knows_the_check() -> None:
    assert CHECKS["drift"] is drift.check
