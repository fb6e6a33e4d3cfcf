"""Label windows adapt to the log, and training says which days it needs."""

from datetime import timedelta
from pathlib import Path

import pytest

from lake.clock import shift
from lake.errors import BadInput
from lake.partitions import record
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
        following = [windows.after(cut) for cut in windows.cuts]
        assert [window.first - timedelta(days=1) for window in following] == list(windows.cuts)
        assert all(earlier.last == cut for earlier, cut in zip(following, windows.cuts[1:], strict=False))
        assert following[-1].last == ds
        assert {len(window) for window in following} == {windows.days}
        assert (ds - windows.cuts[0]).days <= days - 2 * windows.days, "the first examples look back on two windows"


@pytest.mark.parametrize(
    ("days", "rows", "count"),
    [(45, 10, 2), (126, 10, 3), (300, 10, 5), (300, 90_000, 5), (300, 120_000, 4), (300, 10**6, 2)],
)
def test_a_long_and_quiet_log_teaches_with_more_windows(days: int, rows: int, count: int, tmp_path: Path) -> None:
    settings, ds = log_of(days, tmp_path), shift(planted.FIRST, days - 1)
    record(settings, [("events", ds.isoformat(), rows, "0")], 0, "test")
    windows = Windows.choose(settings, ds, TrainingConfig())
    assert windows is not None
    assert windows.count == count
    fixed = Windows.choose(settings, ds, TrainingConfig(label_windows=3))
    assert fixed is not None
    assert fixed.count == min(3, days // (3 * windows.days))


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
