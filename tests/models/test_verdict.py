"""The rules on figures alone: what is noise, what is a fall, what is only age."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from lake.settings import Settings
from models.metrics import NOTHING, Estimate
from models.verdict import Reference, Thresholds, Verdict, decide, upper_bound

DAY = date(2026, 11, 20)
SETTINGS = Settings(var=Path("unused"), pseudonymise=False, retrain_every_days=7)
TIGHT = Reference(0.80, 0.79, 0.81)


def verdict(
    judged: Estimate, reference: Reference | None = TIGHT, age: int = 1, asked: dict[int, str] | None = None
) -> Verdict:
    """`asked`: days ago -> cause."""
    past = [
        {"ds": (DAY - timedelta(days=ago)).isoformat(), "figures": {"cause": cause}}
        for ago, cause in (asked or {}).items()
    ]
    return decide(DAY, DAY - timedelta(days=age), judged, reference, past, Thresholds.of(SETTINGS, reference))


def test_no_champion_means_bootstrap() -> None:
    assert decide(DAY, None, NOTHING, None, [], Thresholds.of(SETTINGS, None)).kind == "bootstrap"


@pytest.mark.parametrize(
    ("judged", "kind", "cause"),
    [
        (Estimate(0.80, 0.78, 0.82, 500), "keep", "none"),
        (Estimate(0.74, 0.73, 0.75, 500), "retrain", "drift"),
        (Estimate(0.74, 0.70, 0.78, 500), "keep", "none"),
        (Estimate(0.77, 0.765, 0.775, 500), "keep", "none"),
        (Estimate(0.60, 0.50, 0.70, 29), "keep", "none"),
        (Estimate(0.60, 0.50, 0.70, 30), "retrain", "drift"),
        (NOTHING, "keep", "none"),
    ],
    ids=["steady", "fall", "fall_within_noise", "fall_below_the_limit", "too_few", "just_enough", "nobody"],
)
def test_a_fall_must_pass_the_limit_beyond_noise(judged: Estimate, kind: str, cause: str) -> None:
    found = verdict(judged)
    assert (found.kind, found.cause) == (kind, cause)


def test_the_noise_of_the_reference_counts_too() -> None:
    judged = Estimate(0.745, 0.735, 0.755, 500)
    assert verdict(judged, Reference(0.80)).kind == "retrain"
    assert verdict(judged, Reference(0.80, 0.75, 0.85)).kind == "keep"
    assert upper_bound(judged, Reference(0.80, 0.75, 0.85), 0.05) == pytest.approx(
        0.745 + (0.01**2 + (0.05 * 0.95) ** 2) ** 0.5
    )


def test_the_floor_holds_without_a_reference() -> None:
    found = verdict(Estimate(0.50, 0.48, 0.52, 500), reference=None)
    assert (found.kind, found.cause) == ("retrain", "floor")
    assert "this figure becomes it" in verdict(Estimate(0.70, 0.68, 0.72, 500), reference=None).reason


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ({}, "retrain"),
        ({1: "drift"}, "keep"),
        ({6: "floor"}, "keep"),
        ({7: "drift"}, "retrain"),
        ({1: "age"}, "retrain"),
    ],
    ids=["never", "yesterday", "within", "after", "for_another_cause"],
)
def test_the_same_cause_waits_for_the_cool_down(asked: dict[int, str], kind: str) -> None:
    assert verdict(Estimate(0.70, 0.69, 0.71, 500), asked=asked).kind == kind


def test_later_days_do_not_cool_an_earlier_one() -> None:
    assert verdict(Estimate(0.70, 0.69, 0.71, 500), asked={-2: "drift"}).kind == "retrain"


@pytest.mark.parametrize(
    ("age", "asked", "kind"),
    [
        (6, {}, "keep"),
        (7, {}, "retrain"),
        (9, {2: "age"}, "keep"),
        (9, {2: "drift"}, "keep"),
        (20, {7: "age"}, "retrain"),
    ],
    ids=["young", "old", "asked", "asked_for_drift", "asked_long_ago"],
)
def test_age_asks_once_a_cool_down(age: int, asked: dict[int, str], kind: str) -> None:
    found = verdict(Estimate(0.80, 0.79, 0.81, 500), age=age, asked=asked)
    assert found.kind == kind
    assert ("days" in found.reason) == (age >= 7)


def test_age_counts_even_when_nobody_can_be_judged() -> None:
    assert verdict(NOTHING, age=8).cause == "age"


def test_age_can_be_switched_off() -> None:
    never = SETTINGS.model_copy(update={"retrain_every_days": 0})
    found = decide(DAY, date(2020, 1, 1), NOTHING, TIGHT, [], Thresholds.of(never, TIGHT))
    assert found.kind == "keep"


@pytest.mark.parametrize(
    ("asked", "since", "speaks"),
    [
        ({}, 6, True),
        ({0: "drift"}, 6, False),
        ({3: "floor"}, 6, False),
        ({6: "drift"}, 6, False),
        ({7: "drift"}, 6, True),
        ({3: "age"}, 6, True),
        ({-1: "drift"}, 6, True),
        ({0: "drift"}, None, False),
        ({1: "drift"}, None, True),
    ],
    ids=[
        "never",
        "its_cause",
        "within",
        "first_day",
        "before",
        "by_age",
        "afterwards",
        "its_cause_days_unknown",
        "unknown",
    ],
)
def test_a_reference_measured_across_a_fall_speaks_for_no_bundle(
    asked: dict[int, str], since: int | None, speaks: bool
) -> None:
    """`asked`: days before the bundle's last day -> cause; `since`: days from the reference's first to that day."""
    reference = Reference(0.8, since=None if since is None else DAY - timedelta(days=since))
    past = [
        {"ds": (DAY - timedelta(days=ago)).isoformat(), "figures": {"cause": cause}} for ago, cause in asked.items()
    ]
    assert reference.speaks_for(DAY, past) is speaks


def test_a_reference_knows_the_first_of_its_days() -> None:
    stored = {"reference_auc": 0.8, "reference_days": ["2026-11-15", "2026-11-14", "2026-11-13"]}
    found = Reference.of(stored)
    assert found is not None
    assert found.since == date(2026, 11, 13)
    assert Reference.of({"reference_auc": 0.8}) == Reference(0.8)
