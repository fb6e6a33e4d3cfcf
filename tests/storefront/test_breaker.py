"""The breaker's states, by a clock that the test moves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storefront.breaker import Breaker, BreakerState


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def opened(clock: Clock, told: list[BreakerState] | None = None) -> Breaker:
    breaker = Breaker(3, 2.0, clock=clock, changed=(told if told is not None else []).append)
    for _ in range(3):
        assert breaker.refused_for() == 0
        breaker.failed()
    return breaker


def test_it_opens_after_failures_in_a_row_only() -> None:
    clock = Clock()
    breaker = Breaker(3, 2.0, clock=clock)
    for outcome in (breaker.failed, breaker.failed, breaker.succeeded, breaker.failed, breaker.failed):
        outcome()
    assert breaker.state is BreakerState.CLOSED
    breaker.failed()
    assert breaker.state is BreakerState.OPEN
    assert breaker.refused_for() == 2.0


def test_one_probe_is_let_through_and_its_success_closes() -> None:
    clock, told = Clock(), list[BreakerState]()
    breaker = opened(clock, told)
    clock.seconds = 1.5
    assert breaker.refused_for() == 0.5
    clock.seconds = 2.0
    assert breaker.refused_for() == 0
    assert breaker.state is BreakerState.HALF_OPEN
    assert breaker.refused_for() > 0, "the others go on being refused"
    breaker.succeeded()
    assert breaker.refused_for() == 0
    assert told == ["open", "half-open", "closed"]


def test_a_failed_probe_opens_again_for_the_whole_time() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.seconds = 2.0
    assert breaker.refused_for() == 0
    clock.seconds = 2.5
    breaker.failed()
    assert breaker.refused_for() == 2.0


def test_a_probe_that_never_tells_is_followed_by_another() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.seconds = 2.0
    assert breaker.refused_for() == 0
    clock.seconds = 4.0
    assert breaker.refused_for() == 0


@given(st.lists(st.sampled_from(["ask", "succeeded", "failed", "wait"]), max_size=60))
def test_whatever_happens_it_never_refuses_for_longer_than_its_time(events: list[str]) -> None:
    clock = Clock()
    breaker = Breaker(2, 1.0, clock=clock)
    for event in events:
        if event == "wait":
            clock.seconds += 0.4
        elif event == "ask":
            assert 0 <= breaker.refused_for() <= 1.0
        else:
            getattr(breaker, event)()
        if event == "succeeded":
            assert breaker.state is BreakerState.CLOSED
    clock.seconds += 1.0
    assert breaker.refused_for() == 0


@pytest.mark.parametrize(("failures", "seconds"), [(0, 1.0), (1, 0.0)])
def test_settings_that_cannot_be_are_refused(failures: int, seconds: float) -> None:
    with pytest.raises(ValueError, match="at least 1 failure"):
        Breaker(failures, seconds)
