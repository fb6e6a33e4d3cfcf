"""The analysis job: a planted effect is found, none is not, and what is broken is not trusted."""

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from jobs import experiment_web
from jobs.experiment import run, table
from lake.errors import BadInput
from lake.settings import Settings
from models import decisions, experiment_results
from storefront.contract import Experiment
from tests.models import planted_experiment, small_shop
from tests.models.planted_experiment import EXPERIMENT, WINDOW

FACTOR = 1.25


@pytest.fixture
def house(tmp_settings: Settings, tmp_path: Path) -> Settings:
    return tmp_settings.model_copy(update={"surfaces": tmp_path})


def published(house: Settings, ds: str, experiment: Experiment | None = EXPERIMENT) -> None:
    figures = {"surface": "home", "state": "started", "experiment": experiment.text() if experiment else ""}
    decisions.record(house, "experiment", ds, "it began", figures)


def analysed(house: Settings, **more: Any) -> dict[str, Any]:
    run(house, "home", WINDOW, **more)
    found = experiment_results.find(house, "home", EXPERIMENT.name, str(WINDOW.first), str(WINDOW.last))
    assert found is not None
    return found


def ratio(result: dict[str, Any], metric: str) -> list[float]:
    (found,) = (each["ratio"] for each in result["comparisons"] if each["metric"] == metric)
    return list(found)


def test_a_planted_effect_is_found(house: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    planted_experiment.write(house, 2500, FACTOR)
    published(house, "2026-10-31")
    told = run(house, "home", WINDOW, as_json=tmp_path / "f.json", html=tmp_path / "f.html")
    assert (told["trust"], told["reasons"]) == (True, [])
    result = json.loads((tmp_path / "f.json").read_text())
    assert result["users"] == {
        "analysed": 2500, "two_arms": 0, "misassigned": 0, "unknown_arm": 0, "anonymous_lists": 0,
    }  # fmt: skip
    _, low, high = ratio(result, "ctr")
    assert 1 < low < FACTOR < high
    _, low, high = ratio(result, "orders_per_user")
    assert low < FACTOR < high
    assert "nothing speaks against" in capsys.readouterr().out
    page = (tmp_path / "f.html").read_text()
    assert (house.var / "reports" / "experiments" / f"home-{WINDOW.first}-{WINDOW.last}.html").read_text() == page
    assert "is ahead of the control in clicks an item shown" in page
    assert "<script" not in page
    assert "http" not in page.split("</head>")[1], "nothing is fetched from anywhere"


def test_nothing_is_found_where_both_arms_are_alike(house: Settings) -> None:
    planted_experiment.write(house, 2000, 1.0, seed=5)
    published(house, "2026-10-31")
    result = analysed(house)
    assert result["verdict"]["trust"]
    for each in result["comparisons"]:
        assert each["ratio"][1] <= 1 <= each["ratio"][2], each["metric"]


def test_broken_assignment_is_not_trusted(house: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    planted_experiment.write(house, 2000, FACTOR, broken=0.2)
    published(house, "2026-10-31")
    result = analysed(house)
    assert not result["verdict"]["trust"]
    assert result["sample_ratio"]["p"] < 0.001
    assert "DO NOT TRUST; sample-ratio mismatch" in capsys.readouterr().out


def test_shoppers_dealt_out_by_something_else_are_not_trusted(house: Settings) -> None:
    planted_experiment.write(house, 300, 1.0)
    other = Experiment(EXPERIMENT.name, "another salt", EXPERIMENT.arms)
    result = analysed(house, experiment=other.text())
    assert any("another arm than the one they belong to" in reason for reason in result["verdict"]["reasons"])


def small(house: Settings) -> None:
    planted_experiment.write(house, 60, 1.0)


def test_what_ran_is_what_was_published(house: Settings) -> None:
    small(house)
    (house.surfaces / "home.yaml").write_text("name: home\nexperiment: {name: other, arms: {x: {share: 0.1}}}")
    published(house, "2026-10-20", Experiment("older", "older", {"a": 0.5}))
    published(house, "2026-10-25", None)
    published(house, "2026-11-02")
    published(house, "2026-11-20", Experiment("newer", "newer", {"a": 0.5}))
    result = analysed(house)
    assert result["experiment"]["name"] == EXPERIMENT.name
    assert not any("changed within" in reason for reason in result["verdict"]["reasons"])
    published(house, "2026-11-05", Experiment(EXPERIMENT.name, EXPERIMENT.salt, {"treatment": 0.6}))
    assert any("changed within the window" in reason for reason in analysed(house)["verdict"]["reasons"])


def test_without_a_publication_the_file_says_what_ran(house: Settings) -> None:
    small(house)
    with pytest.raises(BadInput, match="give --experiment"):
        analysed(house)
    (house.surfaces / "home.yaml").write_text("name: home\nexperiment: {name: tries, arms: {treatment: {share: 0.5}}}")
    assert analysed(house)["experiment"]["salt"] == "tries"


@pytest.mark.parametrize(
    ("experiment", "message"),
    [("{", "--experiment: experiment"), ('{"name": "e", "salt": "e", "arms": {"a": 1.0}}', "no control"),
     ('{"name": "e", "salt": "e", "arms": {"a": 0.5}}', "nobody was shown experiment e")],
)  # fmt: skip
def test_what_cannot_be_analysed_says_why(house: Settings, experiment: str, message: str) -> None:
    small(house)
    with pytest.raises(BadInput, match=message):
        analysed(house, experiment=experiment)


def test_a_log_without_prices_has_no_revenue_and_one_without_orders_no_order_value(house: Settings) -> None:
    small_shop.write(house, "impressions", [
        planted_experiment.row(f"u{n}", "treatment" if n % 2 else "control", f"s{n}", 1,
                               planted_experiment.day_start(WINDOW.first), n % 3 == 0)
        for n in range(50)
    ])  # fmt: skip
    result = analysed(house, experiment=EXPERIMENT.text())
    metrics = {each["metric"]: each for each in result["comparisons"]}
    assert "revenue_per_user" not in metrics
    assert metrics["items_per_order"]["ratio"] == [None, None, None]
    assert metrics["conversion"]["p"] == 1.0
    assert list(table(result))


def test_the_same_window_again_replaces_the_result(house: Settings) -> None:
    small(house)
    for _ in range(2):
        analysed(house, experiment=EXPERIMENT.text())
    other = Experiment("more", "more", {"treatment": 0.5})
    planted = planted_experiment.row("u1", "treatment", "x", 1, planted_experiment.day_start(WINDOW.first), False)
    small_shop.write(house, "impressions", [planted | {"experiment": "more"}])
    run(house, "home", WINDOW, experiment=other.text())
    assert [row["experiment"] for row in experiment_results.overview(house)] == ["tries", "more"]


def test_the_pages_are_served_from_what_is_kept(house: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment_web, "settings", lambda: house)
    app = FastAPI()
    app.include_router(experiment_web.router)
    with TestClient(app) as client:
        assert "No experiment has been analysed" in client.get("/kpi").text
        small(house)
        result = analysed(house, experiment=EXPERIMENT.text())
        place = f"kpi/home/{EXPERIMENT.name}/{WINDOW.first}/{WINDOW.last}"
        assert f'href="{place}"' in client.get("/kpi").text
        assert "Experiment tries on home" in client.get(f"/{place}").text
        assert client.get(f"/{place}.json").json() == result
        missing = client.get("/kpi/home/tries/2026-01-01/2026-01-02")
        assert (missing.status_code, "python -m jobs.experiment" in missing.json()["detail"]) == (404, True)
