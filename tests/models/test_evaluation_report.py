"""Where an evaluation goes, and evaluations of shops that have next to nothing."""

import json
from pathlib import Path

import pytest

from lake.clock import DayRange, day_start, shift
from lake.errors import BadInput
from lake.settings import Settings
from models import evaluation, evaluation_report
from models.baselines.tuned import tuned
from models.evaluation import evaluate_bundles
from models.rolling import Rolling
from models.snapshot import Snapshot
from tests.conftest import free_port
from tests.models import small_shop
from tests.models.small_shop import FIRST, event

CUT = shift(FIRST, 20)
WINDOW = DayRange(shift(CUT, 1), shift(CUT, 3))


@pytest.fixture
def tiny(tmp_settings: Settings) -> Settings:
    """Three items for lists of twenty; i02 is NULL in everything; u0 took i00 five hundred times; all take all."""
    rows = [event("u0", "i00", CUT, hour=n / 50) for n in range(500)] + [event("u1", "i01", FIRST)]
    rows += [event(user, item, WINDOW.first) for user in ("u0", "u1") for item in ("i00", "i01", "i02")]
    small_shop.write(tmp_settings, "events", rows)
    ds = CUT.isoformat()
    described = [{"item_id": "i00", "category": "a", "price": 2.0}, {"item_id": "i01", "category": "b"}]
    items = [{"ds": ds, "first_seen_ts": day_start(FIRST), **row} for row in [*described, {"item_id": "i02"}]]
    small_shop.write(tmp_settings, "items", items)
    small_shop.write(tmp_settings, "item_features", [{"item_id": item["item_id"], "ds": ds} for item in items])
    return tmp_settings


def test_a_catalogue_smaller_than_k_and_constant_labels(tiny: Settings) -> None:
    """Every item is a true one, so there is nothing to tell apart: no AUC, and every list is perfect."""
    found = evaluate_bundles(tiny, {}, Snapshot.load(tiny, CUT), WINDOW, baselines="tuned", detailed=True)
    assert len(found.rankers) == 7
    for measured in found.rankers.values():
        assert measured.values["all.recall"].tolist() == [1.0, 1.0]
        assert measured.values["all.ndcg"] == pytest.approx([1.0, 1.0])
        assert measured.values["new.recall"].tolist() == [1.0, 1.0]
        assert measured.estimate("gauc").users == 0
    figures = found.as_dict()
    assert json.loads(json.dumps(figures, allow_nan=False))["rankers"]["EASE + own"]["gauc"]["mean"] is None
    assert figures["rankers"]["popular_7d"]["coverage"] == 1.0


def test_no_positives_are_refused(tiny: Settings) -> None:
    with pytest.raises(BadInput, match="no shopper known"):
        evaluation.evaluate({}, Snapshot.load(tiny, CUT), {"u0": set(), "stranger": {"i00"}}, WINDOW)


def test_a_window_of_nothing_but_old_items_has_no_new_figures(tmp_settings: Settings) -> None:
    small_shop.write(tmp_settings, "events", [event("u0", "i00", CUT), event("u0", "i00", WINDOW.first)])
    small_shop.features(tmp_settings, [CUT])
    found = evaluate_bundles(tmp_settings, {}, Snapshot.load(tmp_settings, CUT), WINDOW, detailed=True)
    assert found.rankers["popular_7d"].estimate("new.ndcg").users == 0
    assert found.best_of("new") in found.baselines
    assert "-" in evaluation_report.table(found)
    json.dumps(found.as_dict(), allow_nan=False)


def test_one_item_five_hundred_times_is_one_habit(tiny: Settings) -> None:
    snapshot = Snapshot.load(tiny, CUT)
    lists = tuned(snapshot, 3)[0]["own items (tuned)"](snapshot, ["u0", "u1"], 3, False)
    assert [snapshot.items[row[0]] for row in lists] == ["i00", "i01"]


def test_all_of_it_is_written_and_nothing_fails_without_mlflow(
    tiny: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    away = tiny.model_copy(update={"mlflow_tracking_uri": f"http://127.0.0.1:{free_port()}"})
    found = Rolling([evaluate_bundles(away, {}, Snapshot.load(away, CUT), WINDOW, detailed=True)])
    figures = evaluation_report.deliver(away, found, tmp_path / "a" / "e.json", tmp_path / "b" / "e.html", mlflow=True)
    assert json.loads((tmp_path / "a" / "e.json").read_text()) == figures
    assert "popular_7d" in (tmp_path / "b" / "e.html").read_text()
    assert f"cut {CUT}" in capsys.readouterr().out
    assert "is not kept in MLflow" in caplog.text


@pytest.mark.integration
def test_it_is_kept_as_a_run_with_metrics_and_files(tiny: Settings) -> None:
    found = Rolling([evaluate_bundles(tiny, {}, Snapshot.load(tiny, CUT), WINDOW, detailed=True)])
    run = evaluation_report.keep(tiny, found, found.cuts[0].as_dict(), {"evaluation.html": "<html>"})
    import mlflow

    client = mlflow.MlflowClient(tiny.mlflow_tracking_uri)
    kept = client.get_run(run)
    assert kept.data.tags["kind"] == "evaluation"
    assert kept.data.metrics["own_items.all.ndcg_at_20.mean"] == pytest.approx(1.0)
    assert [each.path for each in client.list_artifacts(run, "evaluation")] == ["evaluation/evaluation.html"]
