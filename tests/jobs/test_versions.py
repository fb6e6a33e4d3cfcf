"""Which lists stand, and what one can go back to."""

from typing import Any

import pytest
import redis as redis_py

from jobs.publication import standing
from jobs.publish import publish
from jobs.rollback import rollback
from jobs.versions import page, versions
from lake.errors import BadInput
from lake.settings import Settings
from tests.jobs import planted_lists

pytestmark = pytest.mark.integration
USERS = [f"u{n}" for n in range(30)]


@pytest.fixture
def house(tmp_settings: Settings, redis_url: str) -> Settings:
    house = tmp_settings.model_copy(update={"redis_url": redis_url, "version_grace_seconds": 0})
    for edition, ds, bundle in (("e1", "2026-11-21", "6"), ("e2", "2026-11-22", "7")):
        planted_lists.write(house, planted_lists.rows(edition, ds, USERS, bundle=bundle))
        publish(house, ds)
    return house


def test_each_says_of_which_day_by_which_bundle_and_who_names_it(house: Settings) -> None:
    found = versions(house)
    newest, older = found["versions"]
    assert newest["version"] == found["current"]
    assert (newest["pointers"], newest["way_back"], newest["state"]) == (["current"], False, "serves")
    assert (older["pointers"], older["way_back"]) == ([], True)
    told = [(each["data_through"], each["bundle"], each["users"], each["status"]) for each in (newest, older)]
    assert told == [("2026-11-22", "7", 30, "ready"), ("2026-11-21", "6", 30, "ready")]
    assert "way back" in "\n".join(page(found))


def test_the_memory_is_about_what_redis_gives_back(house: Settings, redis_url: str) -> None:
    """Sampled by kind; the truth is the sum over all keys of the version."""
    client: Any = redis_py.Redis.from_url(redis_url, decode_responses=True)
    for each in versions(house)["versions"]:
        keys = [key for key in client.scan_iter(f"recs:home:{each['version']}:*") if not key.endswith(":meta")]
        truth = sum(client.memory_usage(key, samples=0) for key in keys)
        assert each["bytes"] == pytest.approx(truth, rel=0.01)


def test_a_sample_is_enough(house: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = versions(house)["versions"][0]["bytes"]
    monkeypatch.setattr(standing, "SAMPLED", 5)
    assert versions(house)["versions"][0]["bytes"] == pytest.approx(whole, rel=0.1)


def test_after_a_rollback_the_pointer_has_moved(house: Settings) -> None:
    gone_back = rollback(house)
    found = versions(house)
    assert found["current"] == gone_back["version"]
    pointers = {each["version"]: each["pointers"] for each in found["versions"]}
    assert pointers == {gone_back["version"]: ["current"], gone_back["before"]: []}


def test_who_may_not_ask_for_memory_sees_the_rest(house: Settings, redis_url: str) -> None:
    client: Any = redis_py.Redis.from_url(redis_url, decode_responses=True)
    client.acl_setuser(
        "reader", enabled=True, passwords=["+secret"], keys=["recs:*"], commands=["+ping", "+get", "+hgetall", "+scan"]
    )
    try:
        url = redis_url.replace("redis://", "redis://reader:secret@")
        found = versions(house.model_copy(update={"redis_url": url}))
    finally:
        client.acl_deluser("reader")
    assert [each["bytes"] for each in found["versions"]] == [None, None]
    assert "?" in "\n".join(page(found))


def test_nothing_published_is_said_and_a_wrong_name_refused(house: Settings) -> None:
    assert "no version stands" in next(page(versions(house, "discover")))
    with pytest.raises(BadInput, match="lower-case"):
        versions(house, "No Surface")
