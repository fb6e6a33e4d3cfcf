"""Without MLflow a search goes on, and says once that nothing is kept."""

import logging

import optuna
import pytest

from lake.settings import Settings
from models.tuning.runs import Runs
from tests.conftest import free_port


def test_where_mlflow_is_away_nothing_is_kept_and_nothing_breaks(
    tmp_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    away = tmp_settings.model_copy(update={"mlflow_tracking_uri": f"http://127.0.0.1:{free_port()}"})
    with caplog.at_level(logging.WARNING):
        runs = Runs(away, {"study": "s", "ds": "2026-01-01", "stage": "both"})
        runs.trial("ranker", "NDCG@20", optuna.trial.create_trial(value=0.5))
        runs.end({"verdict": "gained nothing"})
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "not kept in MLflow" in caplog.text
