"""The demo erases only what a demo made, and plans its days from one place."""

from pathlib import Path

import pytest

from infra.embedded import run_source
from infra.embedded.demo import MARK, DemoSettings, Plan, start_afresh
from infra.embedded.layout import StackSettings
from infra.embedded.lifecycle import Stack
from infra.embedded.run_source import RunSettings
from lake.errors import BadInput


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(StackSettings(var=tmp_path / "var"), lambda _: None)


def test_somebody_elses_lake_is_refused_untouched(stack: Stack) -> None:
    (stack.layout.var / "lake" / "events").mkdir(parents=True)
    with pytest.raises(BadInput, match="make demo VAR=var-demo"):
        start_afresh(stack)
    assert (stack.layout.var / "lake" / "events").is_dir()


def test_an_earlier_demo_is_emptied_but_for_its_secrets(stack: Stack) -> None:
    start_afresh(stack)
    (stack.layout.var / "lake").mkdir()
    (stack.layout.secrets / "user_key").write_text("secret")
    start_afresh(stack)
    assert not (stack.layout.var / "lake").exists()
    assert (stack.layout.secrets / "user_key").read_text() == "secret"
    assert (stack.layout.var / MARK).is_file()


def test_a_folder_where_no_stack_lived_is_not_erased(stack: Stack) -> None:
    stack.layout.var.mkdir()
    (stack.layout.var / "thesis.txt").write_text("years of work")
    stack.erase()
    assert (stack.layout.var / "thesis.txt").is_file()


def test_nights_follow_history_without_a_gap() -> None:
    plan = Plan.of(DemoSettings(history_days=45, nights=3))
    assert (f"{plan.history}", f"{plan.nights}") == ("2026-09-01..2026-10-15", "2026-10-16..2026-10-18")


def run(**given: str) -> RunSettings:
    whole = {"source": "sources/online_retail.yaml", "data": "docs", "FROM": "2010-12-01", "TO": "2010-12-05"}
    return RunSettings(**{**whole, **given})


def test_run_reads_its_range() -> None:
    assert len(run().days()) == 5


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"data": ""}, "DATA not given; the form is: make run"),
        ({"source": "sources/nope.yaml"}, "SOURCE=sources/nope.yaml: no such file"),
        ({"data": "nowhere"}, "DATA=nowhere: no such folder"),
        ({"FROM": "yesterday"}, "is not a day"),
        ({"TO": "2010-12-01"}, "two days are needed"),
    ],
)
def test_run_refuses_before_anything_starts(given: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SOURCE", "DATA", "FROM", "TO"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(BadInput, match=told):
        run(**given).days()


def test_quality_is_a_table_or_the_reason_why_there_is_none() -> None:
    cell = {"mean": 0.4, "low": 0.35, "high": 0.45}
    rankers = {"trial": {name: cell for name, _ in run_source.MEASURES}, "popular_7d": {"all.ndcg@20": cell}}
    head, columns, trial, popular = run_source.quality(
        {"first": "2026-01-01", "last": "2026-01-07", "users": 12, "rankers": rankers}
    )
    assert "2026-01-01..2026-01-07" in head
    assert columns.split() == ["Recall@20", "NDCG@20", "never-bought", "Recall@20", "NDCG", "to", "best", "baseline"]
    assert trial.split("0.400 [0.350, 0.450]")[0].strip() == "trial"
    assert trial.count("0.400 [0.350, 0.450]") == 4
    assert popular.count("-") == 3
    assert run_source.quality({"not_evaluated": "nobody bought"}) == ["quality was not measured: nobody bought"]
