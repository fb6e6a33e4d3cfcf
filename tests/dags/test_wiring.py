"""The few decisions that the DAG files take themselves."""

import json
from types import SimpleNamespace
from typing import Any

import pytest


def callable_of(bag: Any, dag: str, task: str) -> Any:
    return bag.dags[dag].get_task(task).python_callable


def in_context(monkeypatch: pytest.MonkeyPatch, function: Any, context: dict[str, Any]) -> None:
    monkeypatch.setitem(function.__globals__, "get_current_context", lambda: context)


@pytest.mark.parametrize(("run_type", "skipped"), [("backfill", True), ("scheduled", False), ("manual", False)])
def test_announce_is_silent_in_backfills_only(
    bag: Any, monkeypatch: pytest.MonkeyPatch, run_type: str, skipped: bool
) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    announce = callable_of(bag, "features", "announce")
    in_context(monkeypatch, announce, {"dag_run": SimpleNamespace(run_type=run_type)})
    if skipped:
        with pytest.raises(AirflowSkipException, match="moved"):
            announce()
    else:
        announce()


@pytest.mark.parametrize(("decision", "way"), [("keep", "emit"), ("retrain", "train"), ("bootstrap", "train")])
def test_the_verdict_leads_to_training_or_past_it(bag: Any, decision: str, way: str) -> None:
    assert callable_of(bag, "monitoring", "retrain")({"decision": decision, "reason": "because"}) == way


def test_judged_is_sent_whatever_training_did_but_never_without_a_verdict(
    bag: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    task = bag.dags["monitoring"].get_task("emit")
    assert task.trigger_rule == "all_done"
    assert task.upstream_task_ids == {"retrain", "train"}
    in_context(monkeypatch, task.python_callable, {"ti": SimpleNamespace(xcom_pull=lambda _: None)})
    with pytest.raises(AirflowFailException, match="no verdict"):
        task.python_callable()
    in_context(monkeypatch, task.python_callable, {"ti": SimpleNamespace(xcom_pull=lambda _: {"decision": "keep"})})
    task.python_callable()


def test_training_is_awaited_without_a_worker_and_carries_day_and_reason(bag: Any) -> None:
    train = bag.dags["monitoring"].get_task("train")
    assert (train.trigger_dag_id, train.wait_for_completion, train.deferrable) == ("training", True, True)
    assert set(train.conf) <= set(bag.dags["training"].params)
    assert train.conf["ds"] == "{{ dag_run.partition_key }}"
    assert "note" in train.template_fields


@pytest.mark.parametrize(
    ("form", "earlier", "last"),
    [
        (("2026-01-01", "2026-01-30", 120), [], ("2026-01-01", "2026-01-30")),
        (("2026-01-01", "2026-01-31", 30), [("2026-01-01", "2026-01-16")], ("2026-01-17", "2026-01-31")),
        (("2026-01-05", "2026-01-05", 1), [], ("2026-01-05", "2026-01-05")),
    ],
    ids=["one chunk", "two even chunks rather than thirty days and one", "one day"],
)
def test_history_plans_even_chunks_and_features_for_the_last_only(
    bag: Any, monkeypatch: pytest.MonkeyPatch, form: tuple[str, str, int], earlier: list[Any], last: tuple[str, str]
) -> None:
    pushed: dict[str, Any] = {}
    ti = SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))
    params = dict(zip(("from", "to", "chunk_days"), form, strict=True))
    plan = callable_of(bag, "history", "plan")
    in_context(monkeypatch, plan, {"params": params, "ti": ti})
    assert plan() == [["--from", a, "--to", b, "--no-features"] for a, b in earlier]
    assert pushed["last"] == ["--from", last[0], "--to", last[1], "--for-training"]


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("2026-02-01", "2026-01-01", "swap"),
        ("2010-01-01", "2026-01-01", "split"),
        ("2026-02-30", "2026-03-01", "--from"),
    ],
)
def test_history_refuses_a_senseless_range_for_good(
    bag: Any, monkeypatch: pytest.MonkeyPatch, first: str, last: str, said: str
) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    plan = callable_of(bag, "history", "plan")
    in_context(monkeypatch, plan, {"params": {"from": first, "to": last, "chunk_days": 120}, "ti": None})
    with pytest.raises(AirflowFailException, match=said):
        plan()


def test_training_prepares_only_the_features_that_are_missing(bag: Any) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    arguments = callable_of(bag, "training", "days_to_prepare")
    planned = {"as_of": ["2026-11-01", "2026-11-08"], "missing": ["2026-11-08"]}
    assert arguments(planned) == ["--features-only", "--as-of", "2026-11-08"]
    with pytest.raises(AirflowSkipException):
        arguments({"as_of": ["2026-11-01"], "missing": []})


@pytest.mark.parametrize(("minutes", "way"), [(0, "train"), (20, "tune")])
def test_a_search_goes_before_the_training_only_where_the_form_asks_for_it(
    bag: Any, monkeypatch: pytest.MonkeyPatch, minutes: int, way: str
) -> None:
    training = bag.dags["training"]
    assert training.params["tune_minutes"] == 0
    search = callable_of(bag, "training", "search")
    in_context(monkeypatch, search, {"params": {"tune_minutes": minutes}})
    assert search() == way
    tune, train = training.get_task("tune"), training.get_task("train")
    assert tune.pool == train.pool == "train"
    assert train.upstream_task_ids == {"search", "tune"}
    assert {train.trigger_rule, training.get_task("search").trigger_rule} == {"none_failed"}
    assert all("--minutes" in training.get_task(task).arguments for task in ("plan", "tune"))


@pytest.mark.parametrize("searched", [True, False])
def test_training_takes_what_a_search_found_else_the_form(bag: Any, searched: bool) -> None:
    settings = {"ranker": {"loss": "a<b'", "hidden": [64, 32]}} if searched else {"seed": 3}
    found = {"config": settings} if searched else None
    train = bag.dags["training"].get_task("train")
    ti = SimpleNamespace(xcom_pull=lambda task: found if task == "tune" else None)
    context = {"ti": ti, "params": {"ds": "2026-01-01", "promote": "auto", "config": '{"seed": 3}'}}
    arguments = train.render_template(train.arguments, context, train.get_dag().get_template_env())
    assert json.loads(arguments[arguments.index("--config") + 1]) == settings


def test_no_list_waits_for_the_exposure_log(bag: Any) -> None:
    features = bag.dags["features"]
    assert features.get_task("impressions").module == "jobs.impressions"
    assert features.get_task("impressions").upstream_task_ids == {"land"}
    assert not features.get_task("impressions").downstream_task_ids
    assert features.get_task("announce").upstream_task_ids == {"day"}


def test_the_form_of_an_experiment_reaches_the_command_and_the_report(bag: Any) -> None:
    analyse = bag.dags["experiment"].get_task("analyse")
    form = {"surface": "home", "from": "2026-10-08", "to": "2026-10-21"} | dict.fromkeys(
        ("revenue_drop", "share_rise", "expected"), 0.5
    )
    assert set(form) == set(bag.dags["experiment"].params)
    context = {"params": form}
    assert analyse.render_template(analyse.arguments, context) == [
        *("--surface", "home", "--from", "2026-10-08", "--to", "2026-10-21"),
        *("--revenue-drop", "0.5", "--share-rise", "0.5", "--expected", "0.5"),
    ]
    assert analyse.render_template(analyse.report, context) == "experiments/home-2026-10-08-2026-10-21.html"
