"""The distinct pairs of a log, and what popularity says over several windows, on figures known by hand."""

import numpy as np
import pytest

from lake.clock import shift
from lake.settings import Settings
from models.candidates.history import History
from models.candidates.popular import WINDOWS, Popular
from models.candidates.signals import dense
from models.config import EventWeights
from models.snapshot import Snapshot
from tests.models import planted
from tests.models.small_shop import event, features, write

DAY = shift(planted.FIRST, 30)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """u1 bought `a` for 5 and lately for 4, `b` without a price; `b` is of today, `a` of long ago."""
    settings = Settings(var=tmp_path_factory.mktemp("history"), pseudonymise=False)
    rows = [
        event("u1", "a", shift(DAY, -30)) | {"price": 5.0, "quantity": 2.0},
        event("u1", "a", shift(DAY, -20)) | {"price": 4.0, "quantity": 4.0},
        event("u1", "a", shift(DAY, -10)) | {"price": None, "quantity": None},
        event("u1", "b", DAY) | {"price": None, "quantity": None},
    ]
    write(settings, "events", rows)
    features(settings, [DAY])
    return Snapshot.load(settings, DAY)


def test_pairs_know_the_price_paid_last_and_the_usual_quantity(snapshot: Snapshot) -> None:
    history = History.of(snapshot, EventWeights())
    a, b = history.find(np.zeros(2, np.int32), snapshot.items_of(["a", "b"]))
    assert history.paid[a] == 4.0
    assert np.isnan(history.paid[b])
    assert history.quantity[a] == pytest.approx((2 + 4 + 1) / 3)
    assert history.quantity[b] == 1.0
    assert history.usual_gap == pytest.approx(10.0)
    assert history.memory_days == pytest.approx(20.0)


def test_short_windows_of_popularity_follow_today_and_long_ones_do_not(snapshot: Snapshot) -> None:
    signals = dense(Popular(EventWeights()).prepare(snapshot).signals(np.array([0, -1], np.int32)))
    a, b = snapshot.items_of(["a", "b"])
    assert all(np.isclose(signals[name].sum(axis=1), 1.0).all() for name in WINDOWS)
    assert signals["popular_days"][1, b] > 0.9
    assert signals["popular_months"][1, a] > signals["popular_months"][1, b]
