"""Going back to the lists before."""

from typing import Any

import pytest
import redis as redis_py

from jobs.publication.versions import Versions
from jobs.publish import publish
from jobs.rollback import rollback
from lake.errors import BadInput, Unavailable
from lake.settings import Settings
from models import decisions
from storefront.client import Storefront
from tests.jobs import planted_lists

pytestmark = pytest.mark.integration


@pytest.fixture
def house(tmp_settings: Settings, redis_url: str) -> Settings:
    house = tmp_settings.model_copy(update={"redis_url": redis_url, "version_grace_seconds": 0})
    for edition, ds in (("e1", "2026-11-21"), ("e2", "2026-11-22")):
        planted_lists.write(house, planted_lists.rows(edition, ds, ["u1"]))
        publish(house, ds)
    return house


def first(house: Settings) -> str:
    return Storefront(house.redis_url).recommend("u1", 1).items[0]


def test_readers_get_the_lists_before(house: Settings) -> None:
    assert first(house) == "e2/u1/1"
    result = rollback(house)
    assert first(house) == "e1/u1/1"
    assert result["data_through"] == "2026-11-21"
    recorded = decisions.latest(house, "rollback")
    assert recorded is not None
    assert recorded["figures"]["before"] == result["before"]


def test_twice_is_refused_where_nothing_was_replaced(house: Settings) -> None:
    rollback(house)
    with pytest.raises(BadInput, match="no way back"):
        rollback(house)
    assert first(house) == "e1/u1/1"


def test_one_may_go_forward_again_by_name(house: Settings) -> None:
    result = rollback(house)
    rollback(house, to=result["before"])
    assert first(house) == "e2/u1/1"


def test_a_version_that_is_gone_is_refused(house: Settings) -> None:
    redis = redis_py.Redis.from_url(house.redis_url, decode_responses=True)
    versions = Versions(redis, "home", 3)
    serving = versions.current()
    assert serving is not None
    versions.remove({serving.replaces})
    with pytest.raises(BadInput, match="gone"):
        rollback(house)
    assert first(house) == "e2/u1/1"


def test_nothing_published_is_said(house: Settings) -> None:
    with pytest.raises(BadInput, match="nothing is published"):
        rollback(house, "discover")
    with pytest.raises(BadInput, match="lower-case"):
        rollback(house, "No Surface")


def test_the_next_night_publishes_over_a_rollback(house: Settings) -> None:
    rollback(house)
    planted_lists.write(house, planted_lists.rows("e3", "2026-11-23", ["u1"]))
    publish(house, "2026-11-23")
    assert first(house) == "e3/u1/1"
    rollback(house)
    assert first(house) == "e1/u1/1"


def test_redis_down_is_said(house: Settings) -> None:
    away: Any = house.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    with pytest.raises(Unavailable, match="does not answer"):
        rollback(away)
