"""What Prometheus is told of publications and rollbacks."""

from datetime import UTC, datetime
from typing import Any

import pytest

from jobs.publish import publish
from jobs.rollback import rollback
from lake.errors import Unavailable
from lake.settings import Settings
from tests.jobs import planted_lists

pytestmark = pytest.mark.integration
OUTCOME = "nightshelf_publication_outcome"


@pytest.fixture
def house(tmp_settings: Settings, redis_url: str) -> Settings:
    house = tmp_settings.model_copy(update={"redis_url": redis_url, "version_grace_seconds": 0})
    for edition, ds, users in (("e1", "2026-11-21", 3), ("e2", "2026-11-22", 5)):
        names = [f"u{n}" for n in range(users)]
        planted_lists.write(house, planted_lists.rows(edition, ds, names, bundle=ds[-2:]))
    return house


def end(day: int) -> float:
    return datetime(2026, 11, day + 1, tzinfo=UTC).timestamp()


def serving(told: Any) -> tuple[float, float, float, float]:
    lists, through, bundle, back = (
        told(f"nightshelf_serving_{name}")
        for name in ("lists", "data_through_timestamp_seconds", "bundle_version", "rolled_back")
    )
    return lists["home", "user"], through[("home",)], bundle[("home",)], back[("home",)]


def test_a_publication_tells_what_serves_and_a_rollback_that_it_went_back(house: Settings, told: Any) -> None:
    publish(house, "2026-11-21")
    publish(house, "2026-11-22")
    assert serving(told) == (5, end(22), 22, 0)
    assert told("nightshelf_serving_lists") == {("home", "user"): 5, ("home", "item"): 2, ("home", "segment"): 3}
    assert {what: is_so for (_, what), is_so in told(OUTCOME).items() if is_so} == {"published": 1}
    assert told("nightshelf_publication_lists") == {("home",): 10}
    assert told("nightshelf_redis_used_memory_bytes")[("0",)] > 100_000
    assert told("nightshelf_redis_max_memory_bytes")[("0",)] > told("nightshelf_redis_used_memory_bytes")[("0",)]
    rollback(house)
    assert serving(told) == (3, end(21), 21, 1)


def test_lists_that_are_held_tell_of_those_that_serve(house: Settings, told: Any) -> None:
    publish(house, "2026-11-22")
    publish(house, "2026-11-21")
    assert {what for (_, what), is_so in told(OUTCOME).items() if is_so} == {"held"}
    assert serving(told) == (5, end(22), 22, 0)


def test_a_failed_publication_is_told(house: Settings, told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise Unavailable("no room")

    monkeypatch.setattr("jobs.publication.room.check_room", full)
    with pytest.raises(Unavailable):
        publish(house, "2026-11-22")
    assert {what for (_, what), is_so in told(OUTCOME).items() if is_so} == {"failed"}
    assert told("nightshelf_serving_bundle_version") == {}
