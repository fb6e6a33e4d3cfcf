"""Publication into a real Redis: what readers see, and what they never see."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

from jobs.publication import loading, partition, room, surface
from jobs.publication.partition import ListsPartition
from jobs.publication.versions import Versions
from jobs.publish import publish
from lake.errors import BadInput, Unavailable
from lake.settings import Settings
from models import decisions
from storefront import contract
from storefront.client import Storefront
from tests.jobs import planted_lists
from tests.jobs.planted_lists import item

pytestmark = pytest.mark.integration

USERS = [f"u{n}" for n in range(40)]
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def house(tmp_settings: Settings, redis_url: str) -> Settings:
    changes = {"redis_url": redis_url, "version_grace_seconds": 0, "publish_lease_seconds": 3}
    return tmp_settings.model_copy(update=changes)


@pytest.fixture
def redis(redis_url: str) -> Iterator[Any]:
    client = redis_py.Redis.from_url(redis_url, decode_responses=True)
    yield client
    client.config_set("maxmemory", 0)
    client.config_set("maxmemory-policy", "noeviction")
    client.close()


def put(house: Settings, edition: str, ds: str, **more: Any) -> None:
    planted_lists.write(house, planted_lists.rows(edition, ds, more.pop("users", USERS), **more))


def shown(house: Settings, user: str = "u7", k: int = 5) -> list[str]:
    return list(Storefront(house.redis_url).recommend(user, k).items)


def mine(edition: str, user: str = "u7", k: int = 5) -> list[str]:
    return [item(edition, user, rank) for rank in range(1, k + 1)]


def test_lists_stand_in_redis_as_the_contract_says(house: Settings, redis: Any) -> None:
    put(house, "a", "2026-11-22")
    result = publish(house, "2026-11-22")["surfaces"]["home"]
    version = redis.get("recs:home:current")
    assert result["version"] == version
    assert result["lists"] == len(USERS) + 2 + 3
    contract.parse_version(version)
    assert redis.lrange(f"recs:home:{version}:u:u7", 0, -1) == mine("a")
    assert redis.lrange(f"recs:home:{version}:i:i1", 0, -1) == [item("a", "i1", r) for r in range(1, 6)]
    assert redis.lrange(f"recs:home:{version}:s:country=GB", 0, 1) == [item("a", "country=GB", r) for r in (1, 2)]
    why = contract.decode_reasons(redis.get(f"recs:home:{version}:w:u7"))
    assert why == [contract.Reason("co", "u7")] * 5
    meta = redis.hgetall(f"recs:home:{version}:meta")
    assert meta["users"] == "40"
    assert meta["items"] == "2"
    assert meta["segments"] == '["country=GB", "device=mobile", "all"]'
    assert (meta["data_through"], meta["k"], meta["status"], meta["replaces"], meta["key_id"], meta["bundle"]) == (
        "2026-11-22", "5", "ready", "", "", "1",
    )  # fmt: skip
    assert redis.get("recs:home:loading") is None
    recorded = decisions.latest(house, "publish")
    assert recorded is not None
    assert recorded["figures"]["version"] == version


def test_the_same_content_again_changes_nothing(house: Settings, redis: Any) -> None:
    put(house, "a", "2026-11-22")
    first = publish(house, "2026-11-22")["surfaces"]["home"]
    again = publish(house, "2026-11-22")["surfaces"]["home"]
    assert again["outcome"] == "unchanged"
    assert again["version"] == first["version"] == redis.get("recs:home:current")
    assert len(decisions.history(house, ["publish"])) == 1


def test_the_same_content_is_published_again_if_redis_lost_it(house: Settings, redis: Any) -> None:
    put(house, "a", "2026-11-22")
    version = publish(house, "2026-11-22")["surfaces"]["home"]["version"]
    redis.delete(f"recs:home:{version}:s:all")
    assert publish(house, "2026-11-22")["surfaces"]["home"]["outcome"] == "published"


def test_a_correction_of_the_day_replaces_it_and_names_the_way_back(house: Settings, redis: Any) -> None:
    put(house, "a", "2026-11-22")
    first = publish(house, "2026-11-22")["surfaces"]["home"]["version"]
    put(house, "b", "2026-11-22")
    second = publish(house, "2026-11-22")["surfaces"]["home"]
    assert second["replaces"] == first
    assert shown(house) == mine("b")


def test_an_older_day_is_held_unless_forced(house: Settings, redis: Any) -> None:
    for edition, ds in (("old", "2026-11-21"), ("new", "2026-11-22")):
        put(house, edition, ds)
    serving = publish(house, "2026-11-22")["surfaces"]["home"]["version"]
    held = publish(house, "2026-11-21")["surfaces"]["home"]
    assert (held["outcome"], held["version"], held["lists"]) == ("held", serving, 0)
    assert redis.get("recs:home:current") == serving
    assert decisions.latest(house, "hold") is not None
    assert publish(house, "2026-11-21", force=True)["surfaces"]["home"]["outcome"] == "published"
    assert shown(house) == mine("old")


def test_every_surface_has_its_own_pointer(house: Settings) -> None:
    tables = [planted_lists.rows(s, "2026-11-22", USERS, surface=s) for s in ("discover", "home")]
    planted_lists.write(house, *tables)
    assert set(publish(house, "2026-11-22")["surfaces"]) == {"discover", "home"}
    answer = Storefront(house.redis_url).recommend("u7", 5, surface="discover")
    assert list(answer.items) == mine("discover")
    with pytest.raises(BadInput, match="discover, home"):
        publish(house, "2026-11-22", "hoem")


WEIRD = ["a:b", "two words", "🛒🛒", "line\nfeed", "tab\there", "*", "recs:home:current", "{x}", "\\", "ü" * 128]


def test_weird_ids_survive_the_whole_way(house: Settings) -> None:
    put(house, "🛒:\n\\", "2026-11-22", users=WEIRD, items=WEIRD)
    publish(house, "2026-11-22")
    shop = Storefront(house.redis_url)
    for owner in WEIRD:
        answer = shop.recommend(owner, 5, why=True)
        assert list(answer.items) == mine("🛒:\n\\", owner)
        assert answer.fallback == "user"
        assert {reason.value for reason in answer.reasons} == {owner}
        assert shop.related(owner, 5).items == answer.items


def test_pseudonyms_are_found_by_the_shops_own_id(house: Settings) -> None:
    key = b"0123456789abcdef"
    token = contract.user_token("u7", key)
    put(house, "a", "2026-11-22", users=[token])
    publish(house.model_copy(update={"pseudonymise": True, "user_key_id": "k9"}), "2026-11-22")
    shop = Storefront(house.redis_url, user_key=key)
    assert shop.meta().key_id == "k9"
    assert list(shop.recommend("u7", 5).items) == mine("a", token)


def test_old_versions_go_but_the_way_back_and_arms_stay(house: Settings, redis: Any, tmp_path: Path) -> None:
    (tmp_path / "home.yaml").write_text("name: home\nexperiment: {name: e, arms: {b: {share: 0.5}}}")
    house = house.model_copy(update={"surfaces": tmp_path})
    made = []
    for day in range(1, 5):
        put(house, f"e{day}", f"2026-11-{day:02}")
        made.append(publish(house, f"2026-11-{day:02}")["surfaces"]["home"]["version"])
        if day == 1:
            redis.set("recs:home:arm:b", made[0])
    assert set(Versions(redis, "home", 3).standing()) == {made[0], made[2], made[3]}
    redis.delete("recs:home:arm:b")
    for day in (5, 6):
        put(house, f"e{day}", f"2026-11-{day:02}")
        made.append(publish(house, f"2026-11-{day:02}")["surfaces"]["home"]["version"])
    assert set(Versions(redis, "home", 3).standing()) == {made[4], made[5]}
    assert set(redis.hkeys("recs:home:versions")) == {made[4], made[5]}


def test_no_version_goes_within_the_grace(house: Settings, redis: Any) -> None:
    house = house.model_copy(update={"version_grace_seconds": 600})
    for day in range(1, 5):
        put(house, f"e{day}", f"2026-11-{day:02}")
        publish(house, f"2026-11-{day:02}")
    standing = Versions(redis, "home", 3).standing()
    assert len(standing) == 4
    states = redis.hgetall("recs:home:versions")
    oldest = min((v for v in states if states[v].isdigit()), key=lambda v: int(states[v]))
    redis.hset("recs:home:versions", oldest, int(states[oldest]) - 601)
    put(house, "e5", "2026-11-05")
    publish(house, "2026-11-05")
    assert oldest not in Versions(redis, "home", 3).standing()


def test_a_killed_push_is_invisible_and_the_next_one_sweeps_it(house: Settings, redis: Any) -> None:
    put(house, "old", "2026-11-21")
    before = publish(house, "2026-11-21")["surfaces"]["home"]["version"]
    put(house, "new", "2026-11-22")
    environment = os.environ | {
        "VAR": str(house.var), "REDIS_URL": house.redis_url, "PSEUDONYMISE": "false",
        "PUBLISH_LISTS_PER_SECOND": "20", "PUBLISH_LEASE_SECONDS": "3", "VERSION_GRACE_SECONDS": "0",
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "jobs.publish", "--ds", "2026-11-22"], cwd=REPOSITORY, env=environment
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        loaded = Versions(redis, "home", 3).standing()
        if sum(loaded.values()) - loaded.get(before, 0) >= 15:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    killed = set(Versions(redis, "home", 3).standing()) - {before}
    assert len(killed) == 1
    assert redis.get("recs:home:current") == before
    assert shown(house) == mine("old")

    healed = publish(house, "2026-11-22")["surfaces"]["home"]["version"]
    assert shown(house) == mine("new")
    assert set(Versions(redis, "home", 3).standing()) == {before, healed}


def test_of_two_publishers_one_refuses(house: Settings, redis: Any) -> None:
    put(house, "a", "2026-11-22")
    other, stop = Versions(redis, "home", 3), threading.Event()
    busy = "20261122T000000Z-abcdef"
    other.acquire(busy)

    def alive() -> None:
        while not stop.wait(0.05):
            other.renew(busy)

    thread = threading.Thread(target=alive)
    thread.start()
    try:
        with pytest.raises(Unavailable, match="another publication"):
            publish(house, "2026-11-22")
    finally:
        stop.set()
        thread.join()
    assert redis.get("recs:home:current") is None


def test_a_publisher_that_lost_its_lease_does_not_flip(house: Settings, redis: Any, monkeypatch: Any) -> None:
    put(house, "a", "2026-11-22")
    monkeypatch.setattr(
        loading.Loading, "read_back", lambda self, sample: redis.set("recs:home:loading", "somebody else")
    )
    with pytest.raises(Unavailable, match="lease"):
        publish(house, "2026-11-22")
    assert redis.get("recs:home:current") is None


def test_redis_down_is_said_quickly(house: Settings) -> None:
    put(house, "a", "2026-11-22")
    away = house.model_copy(update={"redis_url": "redis://:secret@127.0.0.1:1/0"})
    started = time.monotonic()
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1") as failure:
        publish(away, "2026-11-22")
    assert time.monotonic() - started < 5
    assert "secret" not in str(failure.value)


def test_a_load_that_cannot_fit_does_not_start(house: Settings, redis: Any) -> None:
    put(house, "a", "2026-11-22")
    redis.config_set("maxmemory", redis.info("memory")["used_memory"] + 20_000)
    with pytest.raises(Unavailable, match="maxmemory"):
        publish(house, "2026-11-22")
    assert redis.keys("recs:*") == []


def test_the_way_back_gives_way_before_a_load_is_refused(house: Settings, redis: Any) -> None:
    users = [f"u{n}" for n in range(3000)]  # many, so that what the server needs for connections does not count
    for day in (1, 2):
        put(house, f"e{day}", f"2026-11-{day:02}", users=users)
        publish(house, f"2026-11-{day:02}")
    put(house, "e3", "2026-11-03", users=users)
    needed = room.bytes_needed(ListsPartition(house, "2026-11-03").size("home"))
    redis.config_set("maxmemory", redis.info("memory")["used_memory"] + needed // 2)
    publish(house, "2026-11-03")
    assert shown(house) == mine("e3")
    assert len(Versions(redis, "home", 3).standing()) == 2


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-random"])
def test_a_server_that_may_drop_lists_is_refused(house: Settings, redis: Any, policy: str) -> None:
    put(house, "a", "2026-11-22")
    redis.config_set("maxmemory", 2**30)
    redis.config_set("maxmemory-policy", policy)
    with pytest.raises(BadInput, match=policy):
        publish(house, "2026-11-22")
    redis.config_set("maxmemory-policy", "volatile-lru")
    assert publish(house, "2026-11-22")["surfaces"]["home"]["outcome"] == "published"


def test_a_server_that_fills_up_on_the_way_keeps_the_old_lists(house: Settings, redis: Any, monkeypatch: Any) -> None:
    put(house, "old", "2026-11-21")
    before = publish(house, "2026-11-21")["surfaces"]["home"]["version"]
    put(house, "new", "2026-11-22", users=[f"u{n}" for n in range(3000)])
    monkeypatch.setattr(room, "check_room", lambda redis, needed: None)
    monkeypatch.setattr(room, "shortage", lambda redis, needed: None)
    redis.config_set("maxmemory", redis.info("memory")["used_memory"] + 300_000)
    with pytest.raises(Unavailable, match="maxmemory"):
        publish(house, "2026-11-22")
    assert shown(house) == mine("old")
    assert set(Versions(redis, "home", 3).standing()) == {before}
    redis.config_set("maxmemory", 0)
    publish(house, "2026-11-22")
    assert shown(house) == mine("new")


def test_a_connection_cut_on_the_way_doubles_no_list(house: Settings, redis: Any, monkeypatch: Any) -> None:
    users = [f"u{n}" for n in range(600)]
    put(house, "a", "2026-11-22", users=users)
    monkeypatch.setattr(loading, "RECONNECT_SECONDS", (0.01, 0.01))
    cuts = []
    send = loading.Loading._send_once

    def cut(self: Any, batch: Any, again: bool) -> None:
        send(self, batch, again)
        if len(cuts) < 2 and not again:  # the server did it all, and the reply was lost
            cuts.append(1)
            redis.client_kill_filter(_type="normal", skipme=True)
            raise redis_py.ConnectionError("cut")

    monkeypatch.setattr(loading.Loading, "_send_once", cut)
    publish(house, "2026-11-22")
    assert len(cuts) == 2
    version = redis.get("recs:home:current")
    assert {redis.llen(f"recs:home:{version}:u:{user}") for user in users} == {5}


def test_lists_that_differ_from_their_record_are_not_published(house: Settings, redis: Any) -> None:
    put(house, "a", "2026-11-22")
    planted_lists.write(house, planted_lists.rows("tampered", "2026-11-22", USERS), record=False)
    with pytest.raises(Unavailable, match="content hash"):
        publish(house, "2026-11-22")
    assert redis.get("recs:home:current") is None
    assert Versions(redis, "home", 3).standing() == {}


def test_an_owner_with_two_lists_is_refused(house: Settings, redis: Any) -> None:
    table = planted_lists.rows("a", "2026-11-22", [*USERS, "u7"])
    planted_lists.write(house, table, record=False)
    with pytest.raises(BadInput, match="twice"):
        publish(house, "2026-11-22")


@pytest.mark.parametrize("rows_at_once", [10, 10_000])
def test_the_order_of_rows_in_the_lake_does_not_matter(
    house: Settings, redis: Any, monkeypatch: Any, rows_at_once: int
) -> None:
    monkeypatch.setattr(partition, "SORTED_ROWS", rows_at_once)
    table = planted_lists.rows("a", "2026-11-22", USERS)
    planted_lists.write(house, table)
    first = publish(house, "2026-11-22")["surfaces"]["home"]["version"]
    shuffled = table.take(random.Random(5).sample(range(len(table)), len(table)))
    planted_lists.write(house, shuffled, record=False)
    result = publish(house, "2026-11-22", force=True)["surfaces"]["home"]
    assert result["version"] != first
    assert shown(house) == mine("a")
    meta = redis.hgetall(f"recs:home:{result['version']}:meta")
    assert meta["segments"] == '["country=GB", "device=mobile", "all"]'


def test_segments_fall_back_in_the_order_of_the_surface_file(house: Settings, tmp_path: Path) -> None:
    (tmp_path / "home.yaml").write_text("name: home\nsegments: [device, country]")
    put(house, "a", "2026-11-22")
    publish(house.model_copy(update={"surfaces": tmp_path}), "2026-11-22")
    assert Storefront(house.redis_url).meta().segments == ("device=mobile", "country=GB", "all")


def test_a_day_without_lists_names_the_command(house: Settings) -> None:
    with pytest.raises(BadInput, match=r"jobs\.lists --ds 2026-11-22"):
        publish(house, "2026-11-22")


def test_the_throttle_holds(house: Settings) -> None:
    put(house, "a", "2026-11-22", users=[f"u{n}" for n in range(95)])
    started = time.monotonic()
    publish(house.model_copy(update={"publish_lists_per_second": 200}), "2026-11-22")
    assert time.monotonic() - started >= 0.5


def test_the_memory_estimate_bounds_what_a_version_takes(house: Settings, redis: Any) -> None:
    put(house, "a", "2026-11-22", users=[f"{n:06}" for n in range(3000)], k=20)
    needed = room.bytes_needed(ListsPartition(house, "2026-11-22").size("home"))
    before = redis.info("memory")["used_memory"]
    publish(house, "2026-11-22")
    taken = redis.info("memory")["used_memory"] - before
    assert taken <= needed <= 1.6 * taken


def test_the_flip_is_one_command_at_the_end(house: Settings, redis: Any, monkeypatch: Any) -> None:
    put(house, "a", "2026-11-22")
    states = []
    verified = surface._verified

    def spy(meta: Any, *rest: Any) -> Any:
        states.append((redis.get("recs:home:current"), redis.hget(f"recs:home:{meta.version}:meta", "status")))
        return verified(meta, *rest)

    monkeypatch.setattr(surface, "_verified", spy)
    publish(house, "2026-11-22")
    assert states == [(None, "loading")]
