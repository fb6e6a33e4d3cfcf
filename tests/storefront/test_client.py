"""The client against a real Redis: fallbacks, edges of k, pages, versions that vanish, a server that is away."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis as redis_py

from storefront import contract
from storefront.client import NeedsKey, NoLists, RedisDown, Storefront
from storefront.contract import BadId, Meta, Reason

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 23, 8, 15, tzinfo=UTC)
V1, V2 = "20261123T021500Z-3fa2c1", "20261124T021500Z-aaaaaa"
K = 5


def put(redis: Any, version: str = V1, edition: str = "a", key_id: str = "", **lists: list[str]) -> None:
    """A version with lists of users, `i_<item>` items and `s_<segment>` segments, and the pointer to it."""
    segments = [name for name in ("country=GB", "device=mobile", "all") if f"s_{name}" in lists]
    for owner, items in lists.items():
        kind, _, name = owner.rpartition("_") if owner[:2] in ("i_", "s_") else ("u", "", owner)
        redis.rpush(f"recs:home:{version}:{kind or 'u'}:{name}", *items)
        if kind == "u":
            reasons = [Reason("co", f"{edition}-{item}") for item in items]
            redis.set(contract.why_key("home", version, name), contract.encode_reasons(reasons))
    counts = [sum(owner.startswith("i_") == of_item for owner in lists) for of_item in (False, True)]
    made = "2026-11-23T02:15:00Z"
    meta = Meta(version, "", made, "2026-11-22", K, *counts, tuple(segments), "7", "00", "ready", key_id)
    redis.hset(contract.meta_key("home", version), mapping=meta.fields())
    redis.set("recs:home:current", version)


def items(name: str, count: int = K) -> list[str]:
    return [f"{name}{rank}" for rank in range(1, count + 1)]


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Counting:
    """Passes commands on and counts them by name."""

    def __init__(self, redis: Any) -> None:
        self._redis, self.calls, self.broken = redis, [], set()

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            self.calls.append(name)
            if name in self.broken:
                raise redis_py.ConnectionError("broken")
            return getattr(self._redis, name)(*arguments, **options)

        return call


@pytest.fixture
def redis(redis_url: str) -> Iterator[Any]:
    client = redis_py.Redis.from_url(redis_url, decode_responses=True)
    yield client
    client.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def wire(redis: Any) -> Counting:
    return Counting(redis)


@pytest.fixture
def shop(wire: Counting, clock: Clock) -> Storefront:
    return Storefront(redis=wire, clock=clock, now=NOW.timestamp, max_age_seconds=7 * 3600)


FULL = {"u1": items("u"), "s_country=GB": items("gb"), "s_device=mobile": items("mob"), "s_all": items("all")}


def test_an_answer_costs_one_lrange_and_the_pointer_two_commands_in_30_seconds(
    redis: Any, shop: Storefront, wire: Counting, clock: Clock
) -> None:
    put(redis, **FULL)
    for _ in range(3):
        assert shop.recommend("u1", 3).items == ("u1", "u2", "u3")
    assert wire.calls == ["pipeline", "hgetall", "lrange", "lrange", "lrange"]
    clock.seconds = 29.9
    shop.recommend("u1", 3)
    assert wire.calls.count("pipeline") == 1
    clock.seconds = 30.1
    shop.recommend("u1", 3)
    assert wire.calls.count("pipeline") == 2


def test_the_answer_says_where_it_comes_from(redis: Any, shop: Storefront) -> None:
    put(redis, **FULL)
    answer = shop.recommend("u1", 2, why=True)
    assert answer.reasons == (Reason("co", "a-u1"), Reason("co", "a-u2"))
    assert (answer.version, answer.data_through, answer.bundle, answer.fallback) == (V1, "2026-11-22", "7", "user")
    assert answer.age_seconds == 6 * 3600
    assert not answer.stale
    assert answer.to_dict()["items"] == ("u1", "u2")


def test_old_lists_are_called_stale_and_a_clock_behind_gives_no_negative_age(redis: Any, wire: Counting) -> None:
    put(redis, **FULL)
    late = Storefront(redis=wire, now=(NOW + timedelta(days=2)).timestamp, max_age_seconds=36 * 3600)
    assert late.recommend("u1").stale
    early = Storefront(redis=wire, now=(NOW - timedelta(days=2)).timestamp, max_age_seconds=36 * 3600)
    answer = early.recommend("u1")
    assert answer.age_seconds == 0
    assert not answer.stale


@pytest.mark.parametrize(
    ("user", "context", "expected"),
    [
        ("u1", {"country": "GB"}, "user"),
        ("stranger", {"device": "mobile", "country": "GB"}, "country=GB"),
        ("stranger", {"device": "mobile", "country": "FR"}, "device=mobile"),
        ("stranger", {"country": "FR"}, "all"),
        (None, {}, "all"),
        (None, {"country": "GB"}, "country=GB"),
    ],
)
def test_the_fallbacks_go_in_order(redis: Any, shop: Storefront, user: str | None, context: Any, expected: str) -> None:
    put(redis, **FULL)
    answer = shop.recommend(user, 2, context=context, why=True)
    assert answer.fallback == expected
    assert len(answer.items) == 2
    if expected != "user":
        assert answer.reasons == (Reason("popular", expected),) * 2


def test_k_0_makes_no_call(shop: Storefront, wire: Counting) -> None:
    answer = shop.recommend("u1", 0)
    assert answer.items == ()
    assert wire.calls == []


def test_more_than_the_lists_have_gives_what_they_have_and_says_so(redis: Any, shop: Storefront) -> None:
    put(redis, **FULL)
    answer = shop.recommend("u1", 80)
    assert answer.items == tuple(items("u"))
    assert (answer.k, answer.k_asked) == (K, 80)


@pytest.mark.parametrize("k", [-1, 2.5, "3", True, None])
def test_other_k_are_refused(shop: Storefront, k: Any) -> None:
    with pytest.raises(ValueError, match="k="):
        shop.recommend("u1", k)


@pytest.mark.parametrize("user", ["", "  ", "x" * 257])
def test_bad_ids_are_refused(redis: Any, shop: Storefront, user: str) -> None:
    put(redis, **FULL)
    with pytest.raises(BadId):
        shop.recommend(user)


def test_the_excluded_are_replaced_by_what_comes_next(redis: Any, shop: Storefront, wire: Counting) -> None:
    put(redis, **FULL)
    assert shop.recommend("u1", 2, exclude={"u1", "u3"}).items == ("u2", "u4")
    assert wire.calls.count("lrange") == 1
    assert shop.recommend("u1", 2, exclude=items("u")).items == ("all1", "all2")


def test_pages_stay_in_their_version(redis: Any, shop: Storefront, clock: Clock) -> None:
    put(redis, **FULL)
    first = shop.recommend("u1", 2, exclude={"u2"})
    put(redis, V2, u1=items("new"), s_all=items("all"))
    clock.seconds = 60
    assert shop.recommend("u1", 2).version == V2
    second = shop.recommend("u1", 2, exclude={"u2"}, offset=2, version=first.version)
    assert first.items + second.items == ("u1", "u3", "u4", "u5")
    assert second.version == V1
    assert shop.recommend("u1", 2, offset=40).items == ()


def test_a_version_deleted_under_a_reader_is_left_at_once(redis: Any, shop: Storefront, wire: Counting) -> None:
    put(redis, **FULL)
    shop.recommend("u1")
    put(redis, V2, u1=items("new"), s_all=items("all"))
    redis.delete(*redis.keys(f"recs:home:{V1}:*"))
    answer = shop.recommend("u1", 2)
    assert (answer.items, answer.version) == (("new1", "new2"), V2)
    assert shop.recommend("u1", 2, offset=2, version=V1).version == V2
    assert shop.recommend("u1", 2, version="nonsense").version == V2


def test_nothing_at_all_is_an_answer_too(redis: Any, shop: Storefront) -> None:
    put(redis, u9=items("x"))
    answer = shop.recommend("u1")
    assert (answer.items, answer.fallback, answer.version) == ((), "none", V1)


def test_an_arm_has_its_own_version_and_else_the_current_one(redis: Any, shop: Storefront) -> None:
    put(redis, V2, u1=items("arm"), s_all=items("all"))
    put(redis, **FULL)
    redis.set("recs:home:arm:b", V2)
    assert shop.recommend("u1", 1, arm="b").items == ("arm1",)
    assert shop.recommend("u1", 1, arm="c").items == ("u1",)


@pytest.mark.parametrize("damage", [{"status": "loading", "k": "0"}, {"k": "many"}])
def test_a_version_that_is_not_whole_is_not_stayed_in(redis: Any, shop: Storefront, damage: dict[str, str]) -> None:
    put(redis, V2, u1=items("half"))
    redis.hset(contract.meta_key("home", V2), mapping=damage)
    put(redis, **FULL)
    answer = shop.recommend("u1", 1, version=V2)
    assert (answer.items, answer.version) == (("u1",), V1)


def test_items_have_lists_of_their_own(redis: Any, shop: Storefront) -> None:
    put(redis, **FULL, i_tea=["milk", "tea", "cake"])
    answer = shop.related("tea", 3)
    assert answer.items == ("milk", "cake")
    assert answer.fallback == "item"
    assert shop.related("dust", 2).fallback == "all"


def test_a_failing_refresh_keeps_the_old_pointer(redis: Any, shop: Storefront, wire: Counting, clock: Clock) -> None:
    put(redis, **FULL)
    shop.recommend("u1")
    wire.broken, clock.seconds = {"pipeline"}, 31
    assert shop.recommend("u1", 1).items == ("u1",)
    asked = wire.calls.count("pipeline")
    shop.recommend("u1", 1)
    assert wire.calls.count("pipeline") == asked, "it is not asked again at once"
    wire.broken, clock.seconds = set(), 33
    put(redis, V2, u1=items("new"))
    assert shop.recommend("u1", 1).version == V2


def test_a_surface_without_lists_names_the_command(shop: Storefront) -> None:
    with pytest.raises(NoLists, match=r"jobs\.publish"):
        shop.recommend("u1")
    with pytest.raises(ValueError, match="surface"):
        shop.recommend("u1", surface="a:b")


def test_redis_down_is_said_without_the_password() -> None:
    shop = Storefront("redis://:secret@127.0.0.1:1/0", retries=1, timeout=0.2)
    with pytest.raises(RedisDown, match="does not answer"):
        shop.recommend("u1")


def test_redis_going_down_later_is_said(redis: Any, shop: Storefront, wire: Counting) -> None:
    put(redis, **FULL)
    shop.recommend("u1")
    wire.broken = {"lrange"}
    with pytest.raises(RedisDown, match="does not answer"):
        shop.recommend("u1")


def test_pseudonyms_need_the_key(redis: Any, wire: Counting) -> None:
    key = b"0123456789abcdef"
    token = contract.user_token("u1", key)
    put(redis, key_id="k1", **{token: items("u")})
    assert Storefront(redis=wire, user_key=key).recommend(" u1 ", 1).items == ("u1",)
    with pytest.raises(NeedsKey, match="USER_KEY"):
        Storefront(redis=wire).recommend("u1")
    assert Storefront(redis=wire).recommend(None).fallback == "none"


def test_damaged_reasons_do_not_hide_the_items(redis: Any, shop: Storefront) -> None:
    put(redis, **FULL)
    redis.set(contract.why_key("home", V1, "u1"), "zzz")
    answer = shop.recommend("u1", 2, why=True)
    assert answer.items == ("u1", "u2")
    assert answer.reasons == ()
