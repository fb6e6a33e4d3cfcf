"""Label windows adapt to the log, and training says which days it needs."""

from datetime import timedelta
from pathlib import Path

import pytest

from lake.clock import shift
from lake.errors import BadInput
from lake.settings import Settings
from models.config import TrainingConfig
from models.windows import Windows
from tests.models import planted
from tests.models.small_shop import event, features, write


def log_of(days: int, path: Path) -> Settings:
    settings = Settings(var=path, pseudonymise=False)
    write(settings, "events", [event("u1", "i00", shift(planted.FIRST, n)) for n in {0, days - 1}])
    return settings


@pytest.mark.parametrize(("days", "length"), [(3, None), (4, 1), (20, 5), (45, 7), (83, 7), (84, 14), (300, 14)])
def test_windows_grow_with_the_log(days: int, length: int | None, tmp_path: Path) -> None:
    ds = shift(planted.FIRST, days - 1)
    windows = Windows.choose(log_of(days, tmp_path), ds, TrainingConfig())
    assert (windows.days if windows else None) == length
    if windows is not None:
        assert (
            windows.past < windows.first.first <= windows.first.last < windows.second.first <= windows.second.last == ds
        )
        assert len(windows.first) == len(windows.second) == windows.days
        assert windows.first.first - timedelta(days=1) == windows.past


def test_the_plan_names_days_and_which_of_them_are_missing(tmp_path: Path) -> None:
    settings, ds = log_of(45, tmp_path), shift(planted.FIRST, 44)
    features(settings, [ds])
    plan = Windows.plan(settings, ds, TrainingConfig())
    assert plan["as_of"] == [shift(ds, -14).isoformat(), shift(ds, -7).isoformat(), ds.isoformat()]
    assert plan["missing"] == plan["as_of"][:2]


def test_a_window_asked_for_is_used_if_the_log_is_long_enough(tmp_path: Path) -> None:
    settings, ds = log_of(45, tmp_path), shift(planted.FIRST, 44)
    windows = Windows.choose(settings, ds, TrainingConfig(window_days=10))
    assert windows is not None
    assert windows.days == 10
    assert Windows.choose(settings, ds, TrainingConfig(window_days=20)) is None


def test_an_empty_lake_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no events"):
        Windows.choose(Settings(var=tmp_path), planted.FIRST, TrainingConfig())
