"""An experiment's arms in Redis: beside the control, each with a pointer of its own, and gone when it ends."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

from jobs import publish as publishing
from jobs.publication.versions import Versions
from jobs.publish import publish
from jobs.rollback import rollback
from lake.errors import BadInput, Unavailable
from lake.settings import Settings
from models import decisions, published
from storefront.client import Storefront
from storefront.contract import Experiment
from tests.jobs import planted_lists
from tests.jobs.planted_lists import item

pytestmark = pytest.mark.integration

DAY, NEXT, THIRD = "2026-11-21", "2026-11-22", "2026-11-23"


@pytest.fixture
def house(tmp_settings: Settings, redis_url: str, tmp_path: Path) -> Settings:
    changes = {"redis_url": redis_url, "version_grace_seconds": 0, "surfaces": tmp_path / "surfaces"}
    (tmp_path / "surfaces").mkdir()
    return tmp_settings.model_copy(update=changes)


@pytest.fixture
def redis(redis_url: str) -> Iterator[Any]:
    client = redis_py.Redis.from_url(redis_url, decode_responses=True)
    yield client
    client.close()


def want(house: Settings, text: str = "experiment: {name: ranker, arms: {a: {share: 0.3}, b: {share: 0.2}}}") -> None:
    (house.surfaces / "home.yaml").write_text(f"name: home\n{text}")


def put(house: Settings, ds: str, *shelves: str) -> None:
    """Lists of a day whose items tell the shelf: `home`, `home@a`, ..."""
    planted_lists.write(
        house, *[planted_lists.rows(f"{name}.{ds}", ds, ["u1", "u2"], surface=name) for name in shelves]
    )


def first(house: Settings, arm: str | None = None) -> str:
    return Storefront(house.redis_url).recommend("u1", 1, arm=arm).items[0]


def run(house: Settings, ds: str, *shelves: str) -> dict[str, Any]:
    put(house, ds, *(shelves or ("home", "home@a", "home@b")))
    return publish(house, ds)


def test_arms_serve_beside_the_control_and_the_key_tells_readers(house: Settings, redis: Any) -> None:
    want(house)
    result = run(house, DAY)
    assert {name: each["outcome"] for name, each in result["surfaces"].items()} == dict.fromkeys(
        ("home", "home@a", "home@b"), "published"
    )
    assert result["experiments"] == {"home": "started"}
    assert Experiment.read(redis.get("recs:home:experiment")) == Experiment("ranker", "ranker", {"a": 0.3, "b": 0.2})
    assert len({redis.get(f"recs:home:{name}") for name in ("current", "arm:a", "arm:b")}) == 3
    for arm in (None, "a", "b"):
        shelf = f"home@{arm}" if arm else "home"
        assert first(house, arm) == item(f"{shelf}.{DAY}", "u1", 1)
    again = publish(house, DAY)
    assert {each["outcome"] for each in again["surfaces"].values()} == {"unchanged"}
    assert again["experiments"] == {"home": "running"}
    told = decisions.latest(house, "experiment")
    assert told is not None
    assert Experiment.read(told["figures"]["experiment"]).name == "ranker"
    assert len(decisions.history(house, ["experiment"])) == 1


def test_every_pointer_keeps_its_own_way_back(house: Settings, redis: Any) -> None:
    want(house)
    run(house, DAY)
    before = {name: redis.get(f"recs:home:{name}") for name in ("current", "arm:a", "arm:b")}
    run(house, NEXT)
    run(house, THIRD)
    standing = Versions(redis, "home", 3).standing()
    assert len(standing) == 6, "of each pointer the serving version and the one before, and no older one"
    assert not standing.keys() & before.values()
    result = rollback(house, arm="a")
    assert (result["arm"], result["data_through"]) == ("a", NEXT)
    assert first(house, "a") == item(f"home@a.{NEXT}", "u1", 1)
    assert first(house) == item(f"home.{THIRD}", "u1", 1)
    assert first(house, "b") == item(f"home@b.{THIRD}", "u1", 1)
    with pytest.raises(BadInput, match="made for a, not for the control"):
        rollback(house, to=redis.get("recs:home:arm:a"))
    with pytest.raises(BadInput, match="arm c: nothing is published"):
        rollback(house, arm="c")


def test_an_arm_without_lists_does_not_hold_up_the_control_and_the_experiment_waits(
    house: Settings, redis: Any
) -> None:
    want(house)
    result = run(house, DAY, "home", "home@a")
    assert [each["outcome"] for each in result["surfaces"].values()] == ["published", "published", "missing"]
    assert result["experiments"] == {"home": "waits"}
    assert redis.get("recs:home:experiment") is None
    assert run(house, NEXT)["experiments"] == {"home": "started"}
    result = run(house, THIRD, "home", "home@a")
    assert result["experiments"] == {"home": "running"}, "what ran goes on, with the arm's lists of the day before"
    assert first(house, "b") == item(f"home@b.{NEXT}", "u1", 1)


def test_a_failing_arm_is_told_at_the_end_when_all_else_is_published(
    house: Settings, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    want(house)
    put(house, DAY, "home", "home@a", "home@b", "other")
    one = publishing.publish_surface

    def fails(settings: Settings, redis: Any, partition: Any, shelf: str, **more: Any) -> Any:
        if shelf == "home@a":
            raise Unavailable("no room")
        return one(settings, redis, partition, shelf, **more)

    monkeypatch.setattr(publishing, "publish_surface", fails)
    with pytest.raises(Unavailable, match="home@a: no room"):
        publish(house, DAY)
    assert redis.get("recs:other:current")
    assert first(house, "b") == item(f"home@b.{DAY}", "u1", 1)
    assert redis.get("recs:home:experiment") is None
    monkeypatch.undo()
    assert publish(house, DAY)["experiments"] == {"home": "started"}


def test_a_failing_control_publishes_nothing_of_the_arms(
    house: Settings, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    want(house)
    put(house, DAY, "home", "home@a", "home@b")

    def fails(*_: Any, **__: Any) -> Any:
        raise Unavailable("no room")

    monkeypatch.setattr(publishing, "publish_surface", fails)
    with pytest.raises(Unavailable, match="no room"):
        publish(house, DAY)
    assert redis.keys("recs:home:*") == []


def test_lists_older_than_those_that_serve_move_no_arm(house: Settings, redis: Any) -> None:
    want(house, "")
    run(house, NEXT, "home")
    want(house)
    result = run(house, DAY)
    assert {each["outcome"] for each in result["surfaces"].values()} == {"held"}
    assert result["experiments"] == {"home": "waits"}
    assert redis.keys("recs:home:arm:*") == []


def test_the_key_goes_before_the_pointers_and_versions_after_the_grace(
    house: Settings, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = house.model_copy(update={"version_grace_seconds": 600})
    want(house)
    run(house, DAY)
    arm = redis.get("recs:home:arm:a")
    want(house, "")
    unpoint, keys = Versions.unpoint, []

    def watched(self: Versions) -> None:
        keys.append(redis.get("recs:home:experiment"))
        unpoint(self)

    monkeypatch.setattr(Versions, "unpoint", watched)
    assert publish(house, DAY)["experiments"] == {"home": "ended"}
    assert keys == [None, None]
    assert redis.keys("recs:home:arm:*") == []
    run(house, NEXT, "home")
    assert arm in Versions(redis, "home", 3).standing(), "readers may follow it for half a minute more"
    redis.hset("recs:home:versions", arm, int(redis.hget("recs:home:versions", arm)) - 601)
    assert run(house, THIRD, "home")["experiments"] == {}
    assert arm not in Versions(redis, "home", 3).standing()
    assert [row["figures"]["state"] for row in decisions.history(house, ["experiment"])] == ["started", "ended"]


def test_an_arm_that_leaves_takes_its_pointer_along_and_another_share_is_a_change(house: Settings, redis: Any) -> None:
    want(house)
    run(house, DAY)
    want(house, "experiment: {name: ranker, arms: {a: {share: 0.6}}}")
    assert run(house, NEXT, "home", "home@a")["experiments"] == {"home": "changed"}
    assert redis.keys("recs:home:arm:*") == ["recs:home:arm:a"]
    assert Experiment.read(redis.get("recs:home:experiment")).arms == {"a": 0.6}


def test_judging_never_takes_an_arms_lists_for_the_surfaces(house: Settings, redis: Any) -> None:
    want(house)
    run(house, DAY)
    for _ in range(5):
        run(house, NEXT)
        found = published.find(house, "home", date.fromisoformat(NEXT))
        assert isinstance(found, published.PublishedLists), found
        assert redis.get("recs:home:current") in found.told
