"""Two days of lists, a fresh lake a test; one is laid out once and copied, since most tests begin with it."""

import shutil
from pathlib import Path

import pytest

from tests.models.changes.two_days import D1, TwoDays


@pytest.fixture
def two_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TwoDays:
    """An empty lake."""
    return TwoDays(tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        return TwoDays(tmp_path_factory.mktemp("laid_out"), patch).data(quiet=True).lists(D1).settings.var


@pytest.fixture
def evening(laid_out: Path, two_days: TwoDays) -> TwoDays:
    """The lists of the earlier day are made, by bundle 1; nobody comes on the later one."""
    shutil.copytree(laid_out, two_days.settings.var)
    return two_days
