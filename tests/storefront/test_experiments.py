"""Shoppers of an arm read the arm's lists, everybody else the current ones, and the answer says which."""

from typing import Any

import pytest
import redis as redis_py

from storefront import contract
from storefront.client import Storefront
from storefront.contract import Experiment
from tests.storefront.conftest import Make
from tests.storefront.test_client import FULL, V1, V2, Clock, Counting, items, put

pytestmark = pytest.mark.integration

USERS = [f"u{number}" for number in range(40)]
HALF = Experiment("ranker", "salt", {"treatment": 0.5})


@pytest.fixture
def redis(redis_url: str) -> Any:
    client = redis_py.Redis.from_url(redis_url, decode_responses=True)
    put(client, V2, **{user: ["treated"] for user in USERS}, s_all=items("all"))
    put(client, V1, **{user: ["usual"] for user in USERS}, s_all=items("all"))
    client.set(contract.arm_key("home", "treatment"), V2)
    client.set(contract.experiment_key("home"), HALF.text())
    return client


def test_each_shopper_reads_the_own_arm(redis: Any, redis_url: str, make: Make) -> None:
    shop = make(redis_url)
    arms = set()
    for user in USERS:
        arm = contract.assign(HALF, user)
        answer = shop.recommend(f" {user} ")
        assert (answer.experiment, answer.arm) == ("ranker", arm)
        assert (answer.items, answer.version) == ((("treated",), V2) if arm else (("usual",), V1))
        arms.add(arm)
    assert arms == {"treatment", None}
    visitor = shop.recommend(None)
    assert (visitor.version, visitor.experiment, visitor.arm) == (V1, None, None)


def test_pseudonyms_are_what_is_assigned(redis: Any, redis_url: str, make: Make) -> None:
    key = b"0123456789abcdef"
    redis.flushall()
    tokens = {user: contract.user_token(user, key) for user in USERS}
    put(redis, V2, key_id="k1", **{token: ["treated"] for token in tokens.values()})
    put(redis, V1, key_id="k1", **{token: ["usual"] for token in tokens.values()})
    redis.set(contract.arm_key("home", "treatment"), V2)
    redis.set(contract.experiment_key("home"), HALF.text())
    shop, filed = make(redis_url, user_key=key), make(redis_url, filed=True)
    for user, token in tokens.items():
        arm = contract.assign(HALF, token)
        assert shop.recommend(user).arm == filed.recommend(token).arm == arm
        assert shop.recommend(user).items == filed.recommend(token).items == (("treated",) if arm else ("usual",))


def test_an_arm_or_version_that_was_asked_for_is_kept_to(redis: Any, redis_url: str, make: Make) -> None:
    shop = make(redis_url)
    treated = next(user for user in USERS if contract.assign(HALF, user))
    control = next(user for user in USERS if not contract.assign(HALF, user))
    asked = shop.recommend(control, arm="treatment")
    assert (asked.items, asked.experiment, asked.arm) == (("treated",), "ranker", "treatment")
    page = shop.recommend(treated, version=V2)
    assert (page.version, page.experiment, page.arm) == (V2, "ranker", "treatment"), "the next page tells the arm too"
    other = shop.recommend(treated, version=V1)
    assert (other.version, other.experiment, other.arm) == (V1, None, None), "it is not what the arm is shown"


def test_an_arm_without_lists_reads_the_current_ones(redis: Any, redis_url: str, make: Make) -> None:
    redis.delete(contract.arm_key("home", "treatment"))
    shop = make(redis_url)
    for user in USERS:
        answer = shop.recommend(user)
        assert (answer.version, answer.experiment, answer.arm) == (V1, "ranker", None)


def test_an_arm_without_lists_is_asked_for_as_seldom_as_the_pointer(redis: Any) -> None:
    redis.delete(contract.arm_key("home", "treatment"))
    wire = Counting(redis)
    shop = Storefront(redis=wire)
    treated = next(user for user in USERS if contract.assign(HALF, user))
    shop.recommend(treated)
    wire.calls.clear()
    assert shop.recommend(treated).version == V1
    assert wire.calls == ["lrange"]


def test_the_experiment_is_as_old_as_the_pointer_at_most(redis: Any, redis_url: str, make: Make) -> None:
    clock = Clock()
    shop = make(redis_url, clock=clock)
    treated = next(user for user in USERS if contract.assign(HALF, user))
    assert shop.recommend(treated).arm == "treatment"
    redis.delete(contract.experiment_key("home"), contract.arm_key("home", "treatment"))
    assert shop.recommend(treated).arm == "treatment"
    clock.seconds = 31
    answer = shop.recommend(treated)
    assert (answer.version, answer.experiment, answer.arm) == (V1, None, None)


def test_answers_that_stay_empty_do_not_keep_an_old_experiment(redis: Any, redis_url: str, make: Make) -> None:
    redis.delete(*redis.keys(f"recs:home:{V1}:*"), *redis.keys(f"recs:home:{V2}:*"))
    put(redis, V1, somebody=["x"])
    clock = Clock()
    shop = make(redis_url, clock=clock)
    assert shop.recommend("u1").experiment == "ranker"
    redis.delete(contract.experiment_key("home"))
    for second in range(1, 40, 3):
        clock.seconds = float(second)
        assert shop.recommend("u1").items == ()
    assert shop.recommend("u1").experiment is None


@pytest.mark.parametrize("text", ["{", "[]", '{"name": "x", "salt": "s", "arms": {"a": 2}}'])
def test_a_damaged_experiment_is_none(redis: Any, redis_url: str, make: Make, text: str) -> None:
    redis.set(contract.experiment_key("home"), text)
    answer = make(redis_url).recommend("u1")
    assert (answer.version, answer.experiment) == (V1, None)


def test_the_arms_version_deleted_under_a_reader_gives_the_arms_next_one(
    redis: Any, redis_url: str, make: Make
) -> None:
    v3 = "20261125T021500Z-bbbbbb"
    shop = make(redis_url)
    treated = next(user for user in USERS if contract.assign(HALF, user))
    assert shop.recommend(treated).version == V2
    put(redis, v3, **{treated: ["newer"]})
    redis.set(contract.current_key("home"), V1)
    redis.set(contract.arm_key("home", "treatment"), v3)
    redis.delete(*redis.keys(f"recs:home:{V2}:*"))
    answer = shop.recommend(treated)
    assert (answer.items, answer.version, answer.arm) == (("newer",), v3, "treatment")


def test_full_lists_are_still_one_lrange_away(redis: Any, redis_url: str) -> None:
    from storefront.client import Storefront
    from tests.storefront.test_client import Counting

    wire = Counting(redis)
    shop = Storefront(redis=wire)
    put(redis, V1, **FULL)
    for user in USERS:
        shop.recommend(user, 1)
    wire.calls.clear()
    for user in USERS[:5]:
        shop.recommend(user, 1)
    assert wire.calls == ["lrange"] * 5
