"""What a snapshot knows, and that it knows nothing more."""

import hashlib
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from lake.clock import day_end, shift
from lake.errors import BadInput
from lake.settings import Settings
from models.snapshot import Snapshot
from tests.models import planted
from tests.models.small_shop import event, write

AS_OF = shift(planted.FIRST, 20)


def settings_at(path: Path) -> Settings:
    return Settings(var=path, pseudonymise=False)


def digest(snapshot: Snapshot) -> str:
    found = hashlib.sha256()
    snapshot.update(found)
    return found.hexdigest()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = settings_at(tmp_path_factory.mktemp("planted"))
    planted.build(settings, 25, [AS_OF])
    return settings


def test_events_are_those_of_the_user_in_time_order(shop: Settings) -> None:
    snapshot = Snapshot.load(shop, AS_OF)
    assert list(snapshot.users) == sorted(snapshot.users)
    row = snapshot.rows_of(["u007"])[0]
    mine = slice(snapshot.user_ptr[row], snapshot.user_ptr[row + 1])
    told = [r for r in planted.events(25) if r["user_id"] == "u007" and r["event_ts"] < day_end(AS_OF)]
    assert len(told) == mine.stop - mine.start > 0
    assert np.all(np.diff(snapshot.events.age_days[mine]) <= 0)
    assert [snapshot.items[i] for i in snapshot.events.item[mine]] == [r["item_id"] for r in told]
    assert snapshot.rows_of(["nobody"])[0] == snapshot.items_of(["nothing"])[0] == -1


def test_the_order_of_rows_in_the_lake_changes_nothing(shop: Settings, tmp_path: Path) -> None:
    other = settings_at(tmp_path)
    planted.build(other, 25, [AS_OF], shuffle=3)
    assert digest(Snapshot.load(other, AS_OF)) == digest(Snapshot.load(shop, AS_OF))


def test_neither_a_later_nor_a_late_fact_leaks(tmp_path: Path) -> None:
    settings = settings_at(tmp_path)
    planted.build(settings, 25, [AS_OF])
    before = digest(Snapshot.load(settings, AS_OF))
    late = event("u001", "i50", AS_OF, ingested_ts=day_end(AS_OF) + timedelta(hours=6, seconds=1))
    later = event("u001", "i51", shift(AS_OF, 1), hour=0.0)
    write(settings, "events", [late, later])
    assert digest(Snapshot.load(settings, AS_OF)) == before
    write(settings, "events", [event("u001", "i50", AS_OF, ingested_ts=day_end(AS_OF) + timedelta(hours=6))])
    assert digest(Snapshot.load(settings, AS_OF)) != before


def test_features_of_the_day_before_serve_unless_exactness_is_asked_for(shop: Settings) -> None:
    assert Snapshot.load(shop, shift(AS_OF, 2)).partitions["items"] == AS_OF.isoformat()
    with pytest.raises(BadInput, match=r"jobs\.day --features-only --as-of 2026-08-23"):
        Snapshot.load(shop, shift(AS_OF, 2), exact=True)
    with pytest.raises(BadInput, match="no items and no item_features"):
        Snapshot.load(shop, shift(planted.FIRST, 3))


def test_unknown_users_attributes_and_history_limits(shop: Settings) -> None:
    short = Snapshot.load(shop.model_copy(update={"history_days": 5}), AS_OF)
    assert short.days_of_history == 5
    assert short.country[0] == 0
    assert short.countries == ("GB",)
    assert short.device[0] == -1
    assert np.isnan(short.catalogue.margin).all()
    assert short.catalogue.in_stock.all()
