"""What became of a day's lists: told from what the jobs themselves leave behind."""

import pyarrow.compute as pc
import pytest

from jobs.lists import lists
from jobs.publish import publish
from jobs.rollback import rollback
from jobs.spool import Spool
from lake.errors import GateFailed
from lake.settings import Settings
from models.changes.comparer import Comparer
from models.changes.standing import standing
from tests.jobs import planted_lists
from tests.models.changes.two_days import D1, D2, TwoDays

EARLY, LATE = "2026-11-21", "2026-11-22"


@pytest.fixture
def house(tmp_settings: Settings, redis_url: str) -> Settings:
    house = tmp_settings.model_copy(update={"redis_url": redis_url, "version_grace_seconds": 0})
    for edition, ds in (("e1", EARLY), ("e2", LATE)):
        planted_lists.write(house, planted_lists.rows(edition, ds, ["u1"]))
    return house


@pytest.mark.integration
def test_published_held_taken_back_and_only_made(house: Settings) -> None:
    assert standing(house, LATE, "home").state == "made"
    assert standing(house, "2026-11-23", "home").state == "missing"
    published = publish(house, LATE)["surfaces"]["home"]
    publish(house, EARLY)
    told = standing(house, LATE, "home")
    assert (told.state, told.version) == ("published", published["version"])
    held = standing(house, EARLY, "home")
    assert (held.state, held.made) == ("held", True)
    assert LATE in held.text
    publish(house, EARLY, force=True)
    assert standing(house, EARLY, "home").state == "published"
    rollback(house)
    assert standing(house, EARLY, "home").state == "rolled_back"
    assert standing(house, LATE, "home").state == "published"


def test_a_gate_that_refused_is_told_and_shoppers_keep_the_day_before(
    two_days: TwoDays, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = two_days.data().lists(D1).settings
    kept = Spool.add
    monkeypatch.setattr(Spool, "add", lambda self, rows: kept(self, rows.filter(pc.field("kind") != "segment")))
    with pytest.raises(GateFailed):
        lists(settings, D2, "1")
    monkeypatch.setattr(Spool, "add", kept)
    told = standing(settings, D2, "home")
    assert (told.state, told.made) == ("gate_failed", False)
    found = Comparer(settings).compare("u003", D1, D2)
    assert found.changes == ()
    assert found.after.items == found.before.items == tuple(two_days.shown(D1, "u003"))
    assert any("the gate refused" in note for note in found.notes)
    lists(settings, D2, "1")
    assert standing(settings, D2, "home").state == "made"
