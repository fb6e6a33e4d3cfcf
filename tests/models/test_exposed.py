"""From the exposure log and the purchases to a row a shopper: who counts, from when on, and what is left out."""

from datetime import timedelta
from typing import Any

import pytest

from lake.clock import DayRange, day_start
from lake.settings import Settings
from models import exposed
from models.exposed import Exposed
from storefront.contract import Experiment, assign
from tests.models import small_shop
from tests.models.planted_experiment import EXPERIMENT, WINDOW, purchase, row

NOON = day_start(WINDOW.first) + timedelta(hours=12)
IN, OUT = (
    [user for user in (f"u{n}" for n in range(40)) if assign(EXPERIMENT, user) == arm] for arm in ("treatment", None)
)


def shown(house: Settings, *rows: Any) -> None:
    small_shop.write(house, "impressions", rows)


def bought(house: Settings, *rows: Any) -> None:
    small_shop.write(house, "events", rows)


def load(house: Settings, experiment: Experiment = EXPERIMENT, window: DayRange = WINDOW) -> Exposed:
    return exposed.load(house, "home", experiment, window)


def one(users: Exposed, number: int = 0) -> dict[str, float]:
    return {name: float(values[number]) for name, values in users.columns.items()}


def test_purchases_count_from_the_first_list_to_the_end_of_the_window(tmp_settings: Settings) -> None:
    user, end = IN[0], day_start(WINDOW.last) + timedelta(days=1)
    shown(tmp_settings, *(row(user, "treatment", "s", rank, NOON, rank == 2) for rank in (1, 2, 3)))
    bought(
        tmp_settings,
        purchase(user, "before", NOON - timedelta(seconds=1), 100.0),
        purchase(user, "o1", NOON, 10.0, quantity=2.0),
        purchase(user, "o1", NOON + timedelta(seconds=5), 5.0, quantity=None),
        purchase(user, "o2", end - timedelta(seconds=1), 1.0),
        purchase(user, "late", end, 1000.0),
        purchase(user, "view", NOON, 1.0) | {"event_type": "view"},
        purchase("somebody", "o3", NOON, 50.0),
    )
    users = load(tmp_settings)
    assert users.arm.tolist() == ["treatment"]
    assert one(users) == {
        "lists": 1, "shown": 3, "clicks": 1, "fallbacks": 0, "stales": 0, "orders": 2, "revenue": 26.0, "pieces": 4,
        "before": 0, "click_rate": 1 / 3, "buyer": 1, "repeat": 1,
    }  # fmt: skip


def test_orders_without_a_session_are_told_apart_by_their_time(tmp_settings: Settings) -> None:
    shown(tmp_settings, row(IN[0], "treatment", "s", 1, NOON, False))
    for minute in (0, 0, 1):
        at = NOON + timedelta(minutes=minute)
        bought(tmp_settings, purchase(IN[0], f"o{minute}", at, 1.0, session_id=None))
    assert one(load(tmp_settings))["orders"] == 2


def test_who_was_seen_in_two_arms_is_left_out_and_who_is_in_the_wrong_one_is_told(tmp_settings: Settings) -> None:
    shown(
        tmp_settings,
        row(IN[0], "treatment", "s1", 1, NOON, False),
        row(IN[0], "control", "s2", 1, NOON + timedelta(hours=1), False),
        row(IN[1], "control", "s3", 1, NOON, False),
        row(OUT[0], "control", "s4", 1, NOON, False),
        row(None, None, "s5", 1, NOON, False),
        row(OUT[1], None, "s6", 1, NOON, False, experiment=None),
        row(OUT[1], "control", "s7", 1, NOON, False, experiment="another"),
        row(OUT[1], "control", "s8", 1, NOON, False, surface="discover"),
    )
    users = load(tmp_settings)
    assert sorted(users.arm.tolist()) == ["control", "control"]
    assert (users.two_arms, users.misassigned, users.anonymous_lists) == (1, 1, 1)


def test_a_log_that_names_no_experiment_is_taken_to_be_of_the_one_asked_about(tmp_settings: Settings) -> None:
    shown(tmp_settings, row(IN[0], "treatment", "s1", 1, NOON, False, experiment=None))
    assert len(load(tmp_settings)) == 1


def test_spending_before_is_that_before_the_experiment_even_if_the_window_begins_later(tmp_settings: Settings) -> None:
    earlier = NOON - timedelta(days=10)
    shown(tmp_settings, *(row(IN[0], "treatment", f"s{n}", 1, at, False) for n, at in enumerate((earlier, NOON))))
    bought(
        tmp_settings,
        purchase(IN[0], "within", NOON - timedelta(days=5), 7.0),
        purchase(IN[0], "before", NOON - timedelta(days=12), 3.0),
        purchase(IN[0], "long ago", NOON - timedelta(days=60), 9.0),
    )
    users = load(tmp_settings)
    assert users.started == earlier.date().isoformat()
    assert (one(users)["before"], one(users)["revenue"]) == (3.0, 0.0)


def test_fallback_and_stale_lists_are_counted(tmp_settings: Settings) -> None:
    shown(
        tmp_settings,
        *(row(IN[0], "treatment", "s1", rank, NOON, False, fallback="all", stale=True) for rank in (1, 2)),
        row(IN[0], "treatment", "s2", 1, NOON, False, fallback=None),
        row(IN[0], "treatment", "s3", 1, NOON, False),
    )
    found = one(load(tmp_settings))
    assert (found["lists"], found["fallbacks"], found["stales"]) == (3, 1, 1)


def test_days_are_told_by_arm(tmp_settings: Settings) -> None:
    shown(
        tmp_settings,
        *(row(IN[0], "treatment", "s1", rank, NOON, rank == 1) for rank in (1, 2)),
        row(OUT[0], "control", "s2", 1, NOON + timedelta(days=1), False),
    )
    assert load(tmp_settings).by_day == [
        {"ds": "2026-11-01", "arm": "treatment", "users": 1, "lists": 1, "shown": 2, "clicks": 1},
        {"ds": "2026-11-02", "arm": "control", "users": 1, "lists": 1, "shown": 1, "clicks": 0},
    ]


@pytest.mark.parametrize("tables", [(), ("impressions",)])
def test_empty_tables_give_nobody(tmp_settings: Settings, tables: tuple[str, ...]) -> None:
    if tables:
        shown(tmp_settings, row(IN[0], "treatment", "s1", 1, NOON - timedelta(days=40), False))
    users = load(tmp_settings)
    assert (len(users), users.prices) == (0, False)
