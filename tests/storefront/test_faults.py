"""Redis away, slow or cut in the middle: what a shopper is shown, and how long a page waits."""

import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from storefront import contract
from storefront.breaker import Breaker, BreakerState
from storefront.client import RedisDown
from storefront.watch import Watch
from tests.storefront.conftest import Make, MortalRedis
from tests.storefront.test_client import FULL, V1, V2, Clock, items, put

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 23, 8, 15, tzinfo=UTC)
QUICK: dict[str, Any] = {"timeout": 0.1, "retries": 0, "now": NOW.timestamp}


class Told(Watch):
    def __init__(self) -> None:
        self.states: list[str] = []
        self.failures: list[str] = []
        self.answers: list[tuple[str, bool]] = []

    def answered(self, answer: Any, seconds: float) -> None:
        assert seconds >= 0
        self.answers.append((answer.fallback, answer.degraded))

    def failed(self, kind: str, seconds: float) -> None:
        self.failures.append(kind)

    def breaker(self, state: BreakerState) -> None:
        self.states.append(state.value)


def test_the_breaker_opens_refuses_without_asking_and_closes_again(mortal: MortalRedis, make: Make) -> None:
    put(mortal.client, **FULL)
    clock, told = Clock(), Told()
    shop = make(mortal.url, breaker=Breaker(3, 2.0, clock=clock), watch=told, **QUICK)
    assert shop.recommend("u1", 1).items == ("u1",)
    mortal.kill()
    for _ in range(3):
        with pytest.raises(RedisDown, match="does not answer"):
            shop.recommend("u1")
    assert told.states == ["open"]
    mortal.start()  # It would answer now, but is not asked before the time has come.
    put(mortal.client, **FULL)
    with pytest.raises(RedisDown, match=r"asked again in 2\.0 s") as caught:
        shop.recommend("u1")
    assert caught.value.retry_after == 2.0
    clock.seconds = 2.0
    assert shop.recommend("u1", 1).items == ("u1",)
    assert told.states == ["open", "half-open", "closed"]
    assert told.failures == ["redis_down"] * 4


def test_a_refusal_is_no_reason_to_open(mortal: MortalRedis, make: Make) -> None:
    put(mortal.client, **FULL)
    mortal.client.set(contract.user_key("home", V1, "odd"), "no list")
    told = Told()
    shop = make(mortal.url, breaker=Breaker(1, 2.0), watch=told, **QUICK)
    with pytest.raises(RedisDown, match="refuses: "):
        shop.recommend("odd")
    assert shop.recommend("u1", 1).items == ("u1",)
    assert told.states == []


def test_a_slow_redis_costs_the_timeout_once_for_each_failure_and_then_nothing(mortal: MortalRedis, make: Make) -> None:
    put(mortal.client, **FULL)
    clock = Clock()
    shop = make(mortal.url, breaker=Breaker(2, 2.0, clock=clock), **QUICK)
    shop.recommend("u1")
    mortal.client.client_pause(400)
    for _ in range(2):
        with pytest.raises(RedisDown, match="does not answer"):
            shop.recommend("u1")
    with pytest.raises(RedisDown, match="asked again"):
        shop.recommend("u1")
    mortal.client.client_unpause()
    clock.seconds = 2.0
    assert shop.recommend("u1", 1).items == ("u1",)


def test_a_connection_cut_in_the_middle_is_made_again(mortal: MortalRedis, make: Make) -> None:
    put(mortal.client, **FULL)
    shop = make(mortal.url, timeout=0.5, retries=2)
    for _ in range(5):
        assert shop.recommend("u1", 1).items == ("u1",)
        mortal.client.client_kill_filter(_type="normal", skipme=True)


def test_while_redis_is_away_a_remembered_segment_is_shown_and_called_stale(mortal: MortalRedis, make: Make) -> None:
    put(mortal.client, **FULL)
    told = Told()
    shop = make(mortal.url, keep_segments=4, watch=told, breaker=Breaker(2, 60.0), **QUICK)
    assert not shop.recommend("u1", 1).stale
    shop.recommend(None, 1, context={"country": "GB"})
    mortal.kill()
    for _ in range(3):  # the breaker opens on the way
        everybodys = shop.recommend("u1", 3, exclude={"all1"}, why=True)
        assert everybodys.items == ("all2", "all3", "all4"), "everybody's list was read with the pointer"
        assert (everybodys.fallback, everybodys.stale, everybodys.degraded) == ("all", True, True)
        assert {reason.code for reason in everybodys.reasons} == {"popular"}
    british = shop.recommend("u1", 2, offset=2, context={"country": "GB", "device": "mobile"})
    assert (british.items, british.fallback, british.version) == (("gb3", "gb4"), "country=GB", V1)
    assert shop.related("tea", 1).degraded
    assert told.answers[-1] == ("all", True)
    with pytest.raises(RedisDown):
        shop.recommend("u1", surface="discover")


def test_what_is_remembered_is_everybodys(mortal: MortalRedis, make: Make) -> None:
    put(mortal.client, V2, s_all=["arms"])
    put(mortal.client, **FULL)
    mortal.client.set(contract.arm_key("home", "b"), V2)
    shop = make(mortal.url, keep_segments=4, **QUICK)
    assert shop.recommend("stranger", 1, arm="b").items == ("arms",)
    assert shop.recommend("stranger", 1, version=V2).items == ("arms",)
    mortal.kill()
    answer = shop.recommend(None, 1)
    assert (answer.items, answer.version, answer.arm) == (("all1",), V1, None)


def test_a_failure_of_ours_is_counted_as_ours(mortal: MortalRedis, make: Make) -> None:
    put(mortal.client, **FULL)
    mortal.client.hset(contract.meta_key("home", V1), "generated_at", "yesterday")
    told = Told()
    with pytest.raises(ValueError, match="yesterday"):
        make(mortal.url, watch=told).recommend("u1", 1)
    assert told.failures == ["internal"]


def test_nothing_is_remembered_unless_asked(mortal: MortalRedis, make: Make) -> None:
    put(mortal.client, **FULL)
    shop = make(mortal.url, **QUICK)
    shop.recommend(None, 1)
    mortal.kill()
    with pytest.raises(RedisDown):
        shop.recommend(None, 1)


def test_the_memory_is_bounded(mortal: MortalRedis, make: Make) -> None:
    put(mortal.client, **FULL)
    shop = make(mortal.url, keep_segments=1, **QUICK)
    shop.recommend(None, 1)
    shop.recommend(None, 1, context={"country": "GB"})
    mortal.kill()
    assert shop.recommend(None, 1, context={"country": "GB"}).fallback == "country=GB"
    with pytest.raises(RedisDown):
        shop.recommend(None, 1)


def test_an_expired_pointer_goes_on_serving_when_only_its_refresh_fails(
    mortal: MortalRedis, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    put(mortal.client, **FULL)
    clock = Clock()
    shop = make(mortal.url, clock=clock, keep_segments=1, breaker=Breaker(2, 60.0), **QUICK)
    shop.recommend("u1", 1)
    mortal.kill()
    clock.seconds = 3600
    with caplog.at_level(logging.WARNING):
        assert shop.recommend("u1", 1).version == V1
    assert "goes on serving" in caplog.text
    mortal.start()
    put(mortal.client, V2, u1=items("new"))


def test_fifty_one_wait_for_fifty_connections(mortal: MortalRedis) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from storefront.client import Storefront

    put(mortal.client, **FULL)
    shop = Storefront(mortal.url, connections=2, timeout=2.0)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: shop.recommend("u1", 1).items, range(200)))
    assert found == [("u1",)] * 200
    shop.close()
