"""The analyst's command: days by default, a table for people, everything as JSON."""

import json
from pathlib import Path

import pytest

from jobs.compare import compare, default_days
from lake.errors import BadInput
from tests.models.changes.two_days import D1, D2, TwoDays

USER = "u003"


@pytest.fixture
def two_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TwoDays:
    return TwoDays(tmp_path, monkeypatch)


def test_a_table_and_a_file(two_days: TwoDays, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = two_days.data().lists(D1).shown(D1, USER)[0]
    two_days.sold_out(gone).lists(D2)
    file = tmp_path / "told.json"
    result = compare(two_days.settings, USER, None, None, "home", file)
    assert (result["from"], result["to"]) == (D1, D2)
    printed = capsys.readouterr().out
    assert f"-   1 ->     {gone}" in printed
    assert "it is out of stock" in printed
    told = json.loads(file.read_text())
    assert result["left"] == sum(change["move"] == "left" for change in told["changes"])
    assert {"text", "kind", "code", "item"} <= set(told["changes"][0]["causes"][0])


def test_days_that_do_not_fit_are_refused(two_days: TwoDays) -> None:
    settings = two_days.data().lists(D1).settings
    with pytest.raises(BadInput, match="no lists before"):
        default_days(settings, None, None)
    two_days.lists(D2)
    assert default_days(settings, None, None) == (D1, D2)
    with pytest.raises(BadInput, match="must lie before"):
        compare(settings, USER, D2, D1, "home", None)
    with pytest.raises(BadInput, match="basket has no lists of shoppers"):
        compare(settings, USER, D1, D2, "basket", None)
    with pytest.raises(BadInput, match="'nowhere' does not exist"):
        compare(settings, USER, D1, D2, "nowhere", None)
