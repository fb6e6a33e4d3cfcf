"""The command: files in place, days added later, other shops refused."""

import hashlib
import json
import logging
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lake.clock import DayRange
from lake.errors import BadInput
from sources.demo_shop.__main__ import app, generate
from sources.demo_shop.shop import Shop


@pytest.fixture
def quiet_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command sets up logging for its process; here the process is the test run's."""
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)


TINY = Shop(shoppers=60, items=64)


def day_range(first: str, last: str) -> DayRange:
    return DayRange(date.fromisoformat(first), date.fromisoformat(last))


def digests(folder: Path) -> dict[str, str]:
    files = sorted(folder.rglob("*.gz"))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_days_added_later_leave_the_others_alone(tmp_path: Path) -> None:
    generate(tmp_path / "grown", TINY, day_range("2026-10-01", "2026-10-03"))
    before = digests(tmp_path / "grown")
    generate(tmp_path / "grown", TINY, day_range("2026-10-04", "2026-10-05"))
    generate(tmp_path / "whole", TINY, day_range("2026-10-01", "2026-10-05"))
    grown = digests(tmp_path / "grown")
    assert before.items() <= grown.items()
    assert grown == digests(tmp_path / "whole")
    assert len(grown) == 10
    truths = [json.loads((tmp_path / name / "truth.json").read_text()) for name in ("grown", "whole")]
    assert truths[0] == truths[1]
    assert not list(tmp_path.rglob("*.part"))


def test_truth_tells_tastes_habits_complements_and_counts(tmp_path: Path) -> None:
    generate(tmp_path, TINY, day_range("2026-10-01", "2026-10-02"))
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert truth["shop"] == {"seed": 7, "shoppers": 60, "items": 64, "drift_on": None}
    assert set(truth["days"]) == {"2026-10-01", "2026-10-02"}
    assert truth["days"]["2026-10-01"]["happened"] == sum(truth["days"]["2026-10-01"]["by_type"].values())
    assert truth["complements"]
    with np.load(tmp_path / "truth.npz") as shoppers:
        assert shoppers["taste"].shape == (len(shoppers["user_id"]), len(shoppers["leaf"])) == (60, 8)
        assert set(shoppers["habit_user"]) <= set(shoppers["user_id"])
        assert shoppers["habit_days"].min() >= 7


def test_another_shop_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    generate(tmp_path, TINY, day_range("2026-10-01", "2026-10-01"))
    with pytest.raises(BadInput, match=r"another shop \(seed=7\)"):
        generate(tmp_path, Shop(seed=8, shoppers=60, items=64), day_range("2026-10-02", "2026-10-02"))


def test_a_drift_may_begin_after_the_days_that_stand_but_not_among_them(tmp_path: Path) -> None:
    generate(tmp_path, TINY, day_range("2026-10-01", "2026-10-03"))
    with pytest.raises(BadInput, match="2026-10-03"):
        generate(tmp_path, Shop(7, 60, 64, date(2026, 10, 3)), day_range("2026-10-04", "2026-10-04"))
    generate(tmp_path, Shop(7, 60, 64, date(2026, 10, 4)), day_range("2026-10-04", "2026-10-04"))
    with pytest.raises(BadInput, match="2026-10-04"):
        generate(tmp_path, TINY, day_range("2026-10-05", "2026-10-05"))


@pytest.mark.usefixtures("quiet_logging")
def test_the_last_line_is_the_result(tmp_path: Path) -> None:
    options = ["--from", "2026-10-01", "--to", "2026-10-02", "--shoppers", "60", "--items", "64"]
    ended = CliRunner().invoke(app, ["--out", str(tmp_path), *options])
    assert ended.exit_code == 0
    result = json.loads(ended.stdout.splitlines()[-1])
    assert result["files"] == 4
    assert Path(result["truth"]) == tmp_path / "truth.json"


@pytest.mark.usefixtures("quiet_logging")
@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--from", "2026-10-02", "--to", "2026-10-01"], "range"),
        (["--from", "yesterday", "--to", "2026-10-01"], "--from"),
        (["--from", "2026-10-01", "--to", "2026-10-01", "--items", "3"], "--items"),
        (["--from", "2026-10-01", "--to", "2026-10-01", "--drift-on", "soon"], "--drift-on"),
    ],
)
def test_wrong_arguments_end_with_65(
    tmp_path: Path, options: list[str], named: str, caplog: pytest.LogCaptureFixture
) -> None:
    ended = CliRunner().invoke(app, ["--out", str(tmp_path / "shop"), *options])
    assert ended.exit_code == 65
    assert named in caplog.text
    assert not (tmp_path / "shop").exists()
