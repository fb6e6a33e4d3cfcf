"""Two days of lists, a fresh lake a test."""

from pathlib import Path

import pytest

from tests.models.changes.two_days import TwoDays


@pytest.fixture
def two_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TwoDays:
    return TwoDays(tmp_path, monkeypatch)
