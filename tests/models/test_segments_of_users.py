"""Segments of shoppers: worked out by hand, and whatever the log does not know is left out."""

from datetime import timedelta

import numpy as np

from lake.settings import Settings
from models.segments_of_users import HOT_EVENTS, item_classes, pooled, segments
from models.snapshot import Snapshot
from tests.models import small_shop
from tests.models.small_shop import FIRST, event

AS_OF = FIRST + timedelta(days=40)


def test_by_hand(tmp_settings: Settings) -> None:
    """Shopper n comes on n days and pays 10 - n; the last one bought one item five hundred times in a day."""
    rows = [event(f"u{n}", "i00", FIRST + timedelta(days=day), price=10.0 - n) for n in range(1, 7) for day in range(n)]
    rows += [event("u9", "i01", AS_OF, hour=n / 100, price=None) for n in range(500)]
    small_shop.write(tmp_settings, "events", rows)
    small_shop.features(tmp_settings, [AS_OF])
    countries = [{"user_id": f"u{n}", "ds": AS_OF.isoformat(), "country": "GB"} for n in range(1, 5)]
    small_shop.write(tmp_settings, "user_features", countries)
    snapshot = Snapshot.load(tmp_settings, AS_OF)
    users = ["u1", "u2", "u3", "u4", "u5", "u6", "u9"]
    found = segments(snapshot, snapshot.rows_of(users))
    assert found["history"].tolist() == ["warm"] * 6 + ["hot"]
    assert found["activity"].tolist() == ["rare", "rare", "regular", "regular", "frequent", "frequent", "rare"]
    assert found["price"].tolist() == ["high", "high", "middle", "middle", "low", "low", "unknown"]
    assert found["country"].tolist() == ["GB"] * 4 + ["unknown"] * 3


def test_constant_values_make_one_segment_and_unknown_ones_none(tmp_settings: Settings) -> None:
    small_shop.write(tmp_settings, "events", [event(f"u{n}", "i00", AS_OF) for n in range(5)])
    small_shop.features(tmp_settings, [AS_OF])
    snapshot = Snapshot.load(tmp_settings, AS_OF)
    found = segments(snapshot, snapshot.rows_of(snapshot.users.tolist()))
    assert set(found) == {"history", "activity"}
    assert set(found["activity"]) == {"rare"}


def test_small_segments_stand_together() -> None:
    labels = np.array(["GB"] * 20 + ["FR"] * 19 + ["DE"] * 2, object)
    found = pooled(labels)
    assert list(found) == ["GB", "other"]
    assert found["other"].tolist() == [False] * 20 + [True] * 21
    # Twenty rows of ten shoppers are ten shoppers.
    assert list(pooled(labels, np.concatenate([np.arange(20) // 2, np.arange(21)]))) == ["other"]
    assert list(pooled(np.repeat(np.array(["high", "AT", "low"], object), 20))) == ["low", "high", "AT"]


def test_classes_of_items(tmp_settings: Settings) -> None:
    rows = [event("u0", "i00", AS_OF, hour=n / 10) for n in range(HOT_EVENTS)]
    rows += [event("u0", "i01", AS_OF, hour=n / 10) for n in range(HOT_EVENTS - 1)]
    small_shop.write(tmp_settings, "events", rows)
    small_shop.features(tmp_settings, [AS_OF])
    snapshot = Snapshot.load(tmp_settings, AS_OF)
    assert item_classes(snapshot, np.array([0, 1, 2, 60, 99])).tolist() == ["hot", "warm", "cold", "cold", "cold"]
