"""Both clients give the same answer, or the same refusal, to any question."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import redis as redis_py
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storefront import contract
from storefront.aio import AsyncStorefront
from storefront.client import Storefront, StorefrontError
from storefront.contract import Experiment, Meta
from tests.storefront.test_client import FULL, V1, V2, items, put

pytestmark = pytest.mark.integration

KEY = b"0123456789abcdef"
NOW = datetime(2026, 11, 23, 8, 15, tzinfo=UTC)
USERS = [None, "u1", " u1 ", "u2", "stranger", "a:b c", "\U0001f6d2", "Zoe\u0308", "", "x" * 257]
SHOWN = [*items("u", 3), *items("gb", 2), *items("all", 2), "tea", "milk", "a/b"]

QUESTIONS = st.fixed_dictionaries(
    {"user_id": st.sampled_from(USERS), "k": st.sampled_from([-1, 0, 1, 2, 3, 5, 99])},
    optional={
        "surface": st.sampled_from(["home", "home", "home", "again", "discover", "nope", "A:b"]),
        "context": st.fixed_dictionaries(
            {}, optional={"country": st.sampled_from(["GB", "FR", None]), "device": st.just("mobile")}
        ),
        "exclude": st.lists(st.sampled_from(SHOWN), max_size=4),
        "offset": st.sampled_from([0, 1, 4, 10**30]),
        "version": st.sampled_from([V1, V2, "20200101T000000Z-000000", "nonsense"]),
        "arm": st.sampled_from(["b", "c", "A:"]),
        "item": st.sampled_from(["tea", "a/b", "dust", ""]),
        "basket": st.lists(st.sampled_from(["tea", "a/b", "dust"]), max_size=3),
        "why": st.booleans(),
    },
)


@pytest.fixture(scope="module")
def both(redis_server: str) -> Iterator[tuple[Storefront, AsyncStorefront, "asyncio.Runner"]]:
    redis = redis_py.Redis.from_url(redis_server, decode_responses=True)
    redis.flushall()
    full = FULL | {"i_tea": ["milk", "tea", "cake"], "i_a/b": ["x", "milk"], "a:b c": items("abc"), "\U0001f6d2": ["s"]}
    put(redis, V2, edition="b", **{name: [f"b-{item}" for item in found] for name, found in full.items()})
    put(redis, V1, **full)
    redis.set("recs:home:arm:b", V2)
    redis.set(contract.experiment_key("home"), Experiment("test", "salt", {"b": 0.4, "c": 0.2}).text())
    _other(redis, "again", V1, "", {"u1": ["due"]})
    _other(redis, "discover", V2, "k1", {contract.user_token("u1", KEY): ["mine"]})
    with asyncio.Runner() as runner:
        options: dict[str, Any] = {"user_key": KEY, "max_age_seconds": 3600, "now": NOW.timestamp}
        threads, tasks = Storefront(redis_server, **options), AsyncStorefront(redis_server, **options)
        yield threads, tasks, runner
        threads.close()
        runner.run(tasks.close())


def _other(redis: Any, surface: str, version: str, key_id: str, lists: dict[str, list[str]]) -> None:
    for user, found in lists.items():
        redis.rpush(contract.user_key(surface, version, user), *found)
    meta = Meta(version, "", "2026-11-23T02:15:00Z", "2026-11-22", 5, len(lists), 0, (), "7", "00", "ready", key_id)
    redis.hset(contract.meta_key(surface, version), mapping=meta.fields())
    redis.set(contract.current_key(surface), version)


def outcome(call: Any) -> Any:
    try:
        return call()
    except (ValueError, StorefrontError) as error:
        return type(error), str(error)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(question=QUESTIONS)
def test_any_question_is_answered_alike(
    both: tuple[Storefront, AsyncStorefront, "asyncio.Runner"], question: dict[str, Any]
) -> None:
    threads, tasks, runner = both
    ours = outcome(lambda: threads.recommend(**question))
    assert outcome(lambda: runner.run(tasks.recommend(**question))) == ours
    if not isinstance(ours, tuple):
        assert len(ours.items) <= ours.k <= max(question["k"], 0)
        assert not set(ours.items) & {*question.get("exclude", ()), *question.get("basket", ())}
        assert ours.k_asked == question["k"]


def test_related_meta_and_versions_are_alike(both: tuple[Storefront, AsyncStorefront, "asyncio.Runner"]) -> None:
    threads, tasks, runner = both
    assert threads.related("a/b", 3).items == ("x", "milk")
    assert runner.run(tasks.related("a/b", 3)) == threads.related("a/b", 3)
    assert runner.run(tasks.meta()) == threads.meta()
    assert threads.meta().version == V1
    assert runner.run(tasks.versions()) == threads.versions() == []
