"""An experiment in the shop: planted by its settings, dealt out by the contract, logged, and found."""

import gzip
import json
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from jobs import impressions
from jobs.experiment import run
from lake import storage
from lake.clock import DayRange
from lake.errors import BadInput
from lake.settings import Settings
from models import experiment_results
from sources.demo_shop.__main__ import app, generate
from sources.demo_shop.shop import Shop
from sources.demo_shop.trial import Trial
from storefront.contract import assign, user_token
from tests.models import small_shop

REPOSITORY = Path(__file__).resolve().parents[3]
SINCE = date(2026, 10, 4)
TRIAL = Trial("home", "treatment", 0.5, 1.25, SINCE)
TINY = {"shoppers": 60, "items": 64}
DAYS = DayRange(date(2026, 10, 1), date(2026, 10, 6))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.gz")}


def rows(path: Path) -> Iterator[dict[str, Any]]:
    for line in gzip.decompress(path.read_bytes()).splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue


def test_days_before_it_are_the_plain_shops_and_an_effect_of_one_changes_no_purchase(tmp_path: Path) -> None:
    generate(tmp_path / "plain", Shop(**TINY), DAYS)
    generate(tmp_path / "tried", Shop(**TINY, trial=TRIAL), DAYS)
    plain, tried = contents(tmp_path / "plain"), contents(tmp_path / "tried")
    assert "experiment" not in (tmp_path / "plain" / "truth.json").read_text()
    assert {name for name in tried if name not in plain} == {f"impressions/{d}.jsonl.gz" for d in DAYS if d >= SINCE}
    before = [name for name in plain if name.split("/")[1] < f"{SINCE}"]
    assert len(before) == 6
    assert all(plain[name] == tried[name] for name in before)
    aa = Shop(**TINY, trial=Trial("home", "treatment", 0.5, 1.0, SINCE))
    generate(tmp_path / "alike", aa, DAYS)

    def bought(name: str) -> set[str]:
        found = (row for day in DAYS if day >= SINCE for row in rows(tmp_path / name / "events" / f"{day}.jsonl.gz"))
        return {str((r["shopper"], r["item"], r["ts"])) for r in found if r["event"] == "purchase" and r["shopper"]}

    assert len(bought("alike") & bought("plain")) > 0.9 * len(bought("plain")), "but for rows that were broken or late"
    assert bought("tried") != bought("plain")


def test_shoppers_are_in_the_arm_that_the_storefront_gives_them(tmp_path: Path) -> None:
    key = b"0123456789abcdef"
    for name, trial in (("ids", TRIAL), ("tokens", Trial("home", "treatment", 0.5, 1.25, SINCE, key))):
        generate(tmp_path / name, Shop(**TINY, trial=trial), DAYS)
        seen = {row["user_id"]: row["arm"] for row in rows(tmp_path / name / "impressions" / "2026-10-05.jsonl.gz")}
        as_known = {user: user_token(user, key) if name == "tokens" else user for user in seen}
        assert set(seen.values()) == {"control", "treatment"}
        assert seen == {user: assign(TRIAL.experiment(), token) or "control" for user, token in as_known.items()}


def test_every_click_is_followed_by_a_view(tmp_path: Path) -> None:
    generate(tmp_path, Shop(**TINY, trial=TRIAL), DayRange(SINCE, SINCE))
    events = {(r["shopper"], r["item"]) for r in rows(tmp_path / "events" / f"{SINCE}.jsonl.gz")}
    clicked = [
        (row["user_id"], item["item_id"])
        for row in rows(tmp_path / "impressions" / f"{SINCE}.jsonl.gz")
        for item in row["items"]
        if item["clicked"]
    ]
    assert clicked
    assert np.mean([pair in events for pair in clicked]) > 0.9, "but for views that come late"


def lake_of(folder: Path, days: DayRange) -> Settings:
    """The shop's lake without Spark: its log as events, its exposure log by the job."""
    source = REPOSITORY / "sources" / "demo_shop.yaml"
    house = Settings(var=folder / "var", source=source, data=str(folder), pseudonymise=False, late_days=1)
    for day in days:
        events = [
            {
                "event_id": row["event_id"], "user_id": row["shopper"], "item_id": row["item"],
                "event_type": "purchase", "event_ts": datetime.fromisoformat(row["ts"]), "price": row["price"],
                "quantity": float(row["quantity"]), "session_id": row["session"], "ds": row["ts"][:10],
            }
            for row in {r["event_id"]: r for r in rows(folder / "events" / f"{day}.jsonl.gz")}.values()
            if row["event"] == "purchase" and row["event_id"].split("-")[1].isdigit()
        ]  # fmt: skip
        small_shop.write(house, "events", events)
    return house


def test_the_planted_effect_comes_out_of_the_landed_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("validation.gate.gate", lambda *_, **__: None)  # tests/jobs/test_impressions.py closes it
    days = DayRange(SINCE, date(2026, 10, 12))
    truth = generate(tmp_path, Shop(shoppers=1500, items=64, trial=TRIAL), days)
    house = lake_of(tmp_path, days)
    made = impressions.run(house, days)
    files = sorted((tmp_path / "impressions").glob("*.gz"))
    lines = sum(len(gzip.decompress(path.read_bytes()).splitlines()) for path in files)
    showings = {row["shown_id"] for path in files for row in rows(path)}
    assert made["lists"] == lines
    assert made["refused"] == len(storage.read(house, "refused_impressions")) > 0
    assert made["rows"] == 10 * len(showings) < 10 * (lines - made["refused"]), "each once, however often delivered"
    planted = json.loads(Path(truth["truth"]).read_text())["shop"]["experiment"]
    told = run(house, "home", days, experiment=TRIAL.experiment().text())
    assert (told["experiment"], told["trust"]) == (planted["name"], True)
    _, low, high = told["ratios"]["treatment.ctr"]
    assert 1 < low < planted["factor"] < high
    _, low, high = told["ratios"]["treatment.orders_per_user"]
    assert 1 < low < high
    result = experiment_results.find(house, "home", "demo", str(days.first), str(days.last))
    assert result is not None
    assert result["users"]["misassigned"] == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("home:treatment:0.5", "of the form"),
        ("home:treatment:half:2", "of the form"),
        ("home:treatment:0.5:2", "factor"),
        ("home:treatment:0.5:0", "factor"),
        ("home:treatment:1.5:1.2", "shares"),
        ("home:control:0.5:1.2", "control"),
    ],
)
def test_what_is_no_experiment_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Trial.parse(text, SINCE)


def test_another_experiment_needs_another_folder(tmp_path: Path) -> None:
    generate(tmp_path, Shop(**TINY, trial=TRIAL), DayRange(DAYS.first, SINCE))
    with pytest.raises(BadInput, match="another experiment would change"):
        generate(tmp_path, Shop(**TINY), DayRange(SINCE, SINCE))
    generate(tmp_path / "later", Shop(**TINY), DayRange(DAYS.first, DAYS.first))
    generate(tmp_path / "later", Shop(**TINY, trial=TRIAL), DayRange(SINCE, SINCE))


def test_the_command_takes_it_from_its_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("logging.basicConfig", lambda **_: None)
    monkeypatch.setattr("lake.command.settings", lambda: Settings(pseudonymise=False))
    options = [
        "--out",
        str(tmp_path),
        "--from",
        "2026-10-01",
        "--to",
        "2026-10-02",
        "--shoppers",
        "60",
        "--items",
        "64",
    ]
    options += ["--experiment-on", "2026-10-02"]
    assert CliRunner().invoke(app, options).exit_code == BadInput.exit_code
    assert CliRunner().invoke(app, [*options, "--experiment", "home:treatment:0.5:1.25"]).exit_code == 0
    assert [path.name for path in (tmp_path / "impressions").iterdir()] == ["2026-10-02.jsonl.gz"]
