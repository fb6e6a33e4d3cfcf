"""What goes wrong while lists are published, and what comes of it. Redis full and a killed load: `test_publish`."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

from jobs.publication import loading
from jobs.publication.encoding import Commands
from jobs.publication.loading import Loading
from jobs.publication.partition import ListsPartition
from jobs.publication.sending import Sender
from jobs.publication.versions import Versions
from jobs.publish import publish
from lake.errors import NightshelfError, Unavailable
from lake.settings import Settings
from storefront.client import Storefront
from tests.jobs import planted_lists
from tests.jobs.planted_lists import item
from tests.jobs.redis_process import RedisProcess

pytestmark = pytest.mark.integration

USERS = [f"u{n}" for n in range(400)]
DS = "2026-11-22"


@pytest.fixture
def house(tmp_settings: Settings, redis_url: str) -> Settings:
    changes = {"redis_url": redis_url, "version_grace_seconds": 0, "publish_lease_seconds": 3, "publish_workers": 3}
    return tmp_settings.model_copy(update=changes)


@pytest.fixture
def redis(redis_url: str) -> Iterator[Any]:
    with redis_py.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough batches that something is on its way when the fault comes."""
    monkeypatch.setattr(loading, "BATCH_LISTS", 20)
    monkeypatch.setattr(loading, "RECONNECT_SECONDS", (0.01, 0.05, 0.1))


def put(house: Settings, edition: str, ds: str = DS) -> None:
    planted_lists.write(house, planted_lists.rows(edition, ds, USERS))


def lengths(redis: Any) -> set[int]:
    version = redis.get("recs:home:current")
    return {redis.llen(f"recs:home:{version}:u:{user}") for user in USERS}


def after(monkeypatch: pytest.MonkeyPatch, sends: int, happen: Any) -> None:
    """Let something happen once, when so many batches have arrived and others are on their way."""
    send, count, lock = Sender.send, [0], threading.Lock()

    def counted(self: Any, batch: Any) -> None:
        send(self, batch)
        with lock:
            count[0] += 1
            now = count[0] == sends
        if now:
            happen()

    monkeypatch.setattr(Sender, "send", counted)


def test_connections_cut_again_and_again_double_and_lose_nothing(
    house: Settings, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All workers' connections are cut while commands are on their way: before a batch, and in the middle of one."""
    put(house, "a")
    wire, wires, resent = Commands.wire, [0], [0]

    def cutting(self: Commands) -> memoryview:
        wires[0] += 1
        if wires[0] % 7 == 0:
            redis.client_kill_filter(_type="normal", skipme=True)
        return wire(self)

    note = Loading._note_resent

    def counted(self: Any, pushes: Any) -> None:
        resent[0] += 1
        note(self, pushes)

    monkeypatch.setattr(Commands, "wire", cutting)
    monkeypatch.setattr(Loading, "_note_resent", counted)
    monkeypatch.setattr(loading, "RECONNECT_SECONDS", (0.01,) * 30)
    publish(house, DS)
    assert resent[0] >= 3
    assert lengths(redis) == {5}
    assert set(Versions(redis, "home", 3).standing()) == {redis.get("recs:home:current")}


def test_what_a_dead_connection_still_held_is_found_before_the_flip(
    house: Settings, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server runs a batch that was sent again, and then what was left of the first try."""
    put(house, "a")
    send, state = Sender.send, {"cut": False}

    def late(self: Any, batch: Any) -> None:
        if not state["cut"]:
            state["cut"] = True
            raise redis_py.ConnectionError("cut before anything was answered")
        send(self, batch)

    monkeypatch.setattr(Sender, "send", late)
    monkeypatch.setattr(loading, "SAMPLE_LISTS", 1)
    read_back = Loading.read_back

    def with_leftovers(self: Any, sample: Any) -> None:
        (key, _), *_ = self._resent
        redis.rpush(key, "left over")
        read_back(self, sample)

    monkeypatch.setattr(Loading, "read_back", with_leftovers)
    with pytest.raises(Unavailable, match="after the connection was lost"):
        publish(house, DS)
    assert redis.get("recs:home:current") is None
    assert Versions(redis, "home", 3).standing() == {}


def test_a_connection_that_never_holds_ends_the_publication(
    house: Settings, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(house, "a")

    def never(self: Any, batch: Any) -> None:
        raise redis_py.ConnectionError("cut")

    monkeypatch.setattr(Sender, "send", never)
    with pytest.raises(Unavailable, match="does not answer"):
        publish(house, DS)
    assert redis.keys("recs:home:*") == []


def test_the_first_worker_that_fails_stops_the_others(
    house: Settings, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(house, "a")
    send, started = Loading._send_once, []

    def failing(self: Any, burst: Any, again: bool) -> None:
        started.append(burst)
        if len(started) == 4:
            raise MemoryError("a worker died")
        send(self, burst, again)

    monkeypatch.setattr(Loading, "_send_once", failing)
    with pytest.raises(MemoryError, match="a worker died"):
        publish(house, DS)
    assert len(started) < len(USERS) // 20
    alive = [thread.name for thread in threading.enumerate() if thread.name.startswith("publish")]
    assert alive == []
    assert redis.keys("recs:home:*") == []


def test_no_more_batches_are_in_memory_than_workers_can_take(
    house: Settings, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(house, "a")
    gate, begun = threading.Event(), []
    submitted: list[int] = []
    settle, send = Loading._settle, Loading._send_once

    def settling(self: Any, loaded: Any, flying: Any, most: int) -> Any:
        submitted.append(len(flying))
        return settle(self, loaded, flying, most)

    def held(self: Any, burst: Any, again: bool) -> None:
        begun.append(1)
        gate.wait(30)
        send(self, burst, again)

    monkeypatch.setattr(Loading, "_settle", settling)
    monkeypatch.setattr(Loading, "_send_once", held)
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(publish, house, DS)
        deadline = time.monotonic() + 30
        while len(begun) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.2)
        ahead = len(submitted)
        gate.set()
        done.result(60)
    assert ahead <= 3 + loading.WAITING
    assert lengths(redis) == {5}


def test_a_server_that_starts_again_in_the_middle_is_not_trusted(
    house: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has lost lists that it had acknowledged; without persistence the old lists too."""
    server = RedisProcess(tmp_path)
    server.start()
    try:
        house = house.model_copy(update={"redis_url": server.url})
        put(house, "old", "2026-11-21")
        publish(house, "2026-11-21")
        put(house, "new")

        def restart() -> None:
            server.kill()
            server.start()

        after(monkeypatch, 3, restart)
        with pytest.raises(Unavailable, match="restarted"):
            publish(house, DS)
        assert server.client.get("recs:home:current") is None
        publish(house, DS)
        assert lengths(server.client) == {5}
        assert set(Versions(server.client, "home", 3).standing()) == {server.client.get("recs:home:current")}
    finally:
        server.kill()


def test_a_server_that_comes_back_with_the_lease_but_not_all_lists_is_not_trusted(
    house: Settings, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a crash with `appendfsync everysec`, or a failover: the last second's lists are gone."""
    put(house, "a")
    ids = iter([frozenset({"before"}), frozenset({"after"})])
    monkeypatch.setattr(loading, "run_ids", lambda redis: next(ids))
    with pytest.raises(Unavailable, match="restarted"):
        publish(house, DS)
    assert redis.get("recs:home:current") is None


def test_a_version_removed_under_a_reader_is_left_for_the_one_that_serves(house: Settings, redis: Any) -> None:
    put(house, "old", "2026-11-21")
    publish(house, "2026-11-21")
    shop = Storefront(house.redis_url)  # caches the pointer for 30 s
    first = shop.recommend("u7", 2)
    assert first.items == (item("old", "u7", 1), item("old", "u7", 2))
    put(house, "new")
    publish(house, DS)
    Versions(redis, "home", 3).remove({str(first.version)})
    second = shop.recommend("u7", 2, why=True)
    assert second.items == (item("new", "u7", 1), item("new", "u7", 2))
    assert second.version != first.version
    page = shop.recommend("u7", 2, offset=2, version=first.version)
    assert page.version == second.version


@pytest.mark.parametrize("hours", [-30, 30])
def test_clocks_that_are_wrong_change_no_order_and_no_grace(
    house: Settings, redis: Any, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    """The publisher's clock names versions, the server's counts the grace, the reader's gives the age."""
    house = house.model_copy(update={"version_grace_seconds": 600})
    recorded = ListsPartition.recorded

    def skewed(self: Any, surface: str) -> Any:
        digest, made = recorded(self, surface)
        return digest, made + timedelta(hours=hours)

    put(house, "old", "2026-11-21")
    old = publish(house, "2026-11-21")["surfaces"]["home"]["version"]
    with monkeypatch.context() as patch:
        patch.setattr(ListsPartition, "recorded", skewed)
        put(house, "new")
        new = publish(house, DS)["surfaces"]["home"]["version"]
    assert (new > old) == (hours > 0)  # the name follows the wrong clock, the pointer does not
    assert redis.get("recs:home:current") == new
    assert abs(int(redis.hget("recs:home:versions", old)) - int(redis.time()[0])) < 60
    assert Storefront(house.redis_url).recommend("u7", 1).items == (item("new", "u7", 1),)

    early = Storefront(house.redis_url, max_age_seconds=36 * 3600, now=lambda: time.time() - 48 * 3600)
    assert early.recommend("u7", 1).age_seconds == 0
    late = Storefront(house.redis_url, max_age_seconds=36 * 3600, now=lambda: time.time() + 72 * 3600)
    assert late.recommend("u7", 1).stale


def test_of_two_publications_at_once_one_loads(house: Settings, redis: Any) -> None:
    """The other refuses, or, if it came late, finds the same content serving."""
    put(house, "a")
    throttled = house.model_copy(update={"publish_lists_per_second": 800})

    def attempt(_: int) -> str:
        try:
            return str(publish(throttled, DS)["surfaces"]["home"]["outcome"])
        except NightshelfError as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        found = sorted(pool.map(attempt, range(2)))
    assert "published" in found
    other = next(each for each in found if each != "published")
    assert other == "unchanged" or "another publication" in other
    assert lengths(redis) == {5}
    assert set(Versions(redis, "home", 3).standing()) == {redis.get("recs:home:current")}
