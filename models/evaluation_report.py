"""Where an evaluation goes: the terminal, a JSON file, a page, and a run of the experiment in MLflow."""

import json
import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lake.errors import Unavailable
from lake.settings import Settings
from models import evaluation_page, tracking
from models.evaluation_table import rolling_table, table
from models.registry import EXPERIMENT
from models.rolling import Rolling

log = logging.getLogger(__name__)

METRICS_AT_ONCE = 500
"""MLflow refuses more than a thousand."""


def deliver(
    settings: Settings, found: Rolling, as_json: Path | None, page: Path | None, mlflow: bool
) -> dict[str, Any]:
    """Print the table, write what is wanted and return the figures: of one cut its own, of several all and pooled.

    With MLflow away the figures are still printed and written.
    """
    alone = len(found.cuts) == 1
    figures = found.cuts[0].as_dict() if alone else found.as_dict()
    text = table(found.cuts[0]) if alone else rolling_table(found)
    contents = {"evaluation.json": json.dumps(figures, indent=2, allow_nan=False) + "\n", "evaluation.txt": text + "\n"}
    print(text)
    if as_json is not None:
        _write(as_json, contents["evaluation.json"])
    if page is not None or mlflow:
        contents["evaluation.html"] = evaluation_page.page(found)
    if page is not None:
        _write(page, contents["evaluation.html"])
    if mlflow:
        try:
            log.info("kept as run %s", keep(settings, found, figures, contents))
        except Unavailable as error:
            log.warning("the evaluation is not kept in MLflow: %s", error)
    return figures


def keep(settings: Settings, found: Rolling, figures: dict[str, Any], contents: dict[str, str]) -> str:
    """Log a run: figures as metrics (of several cuts the pooled ones), texts as artifacts. Returns its id.

    Raises:
        Unavailable: MLflow does not answer.
    """
    uri = settings.mlflow_tracking_uri
    cuts = ", ".join(str(cut.cut) for cut in found.cuts)
    shown = figures if len(found.cuts) == 1 else figures["pooled"]
    flat = {name: each for name, each in tracking.flat(shown["rankers"]).items() if ".segments." not in name}
    metrics = {name: value for name, value in flat.items() if tracking.is_number(value)}
    with tracking.answering(uri):
        client = tracking.connect(uri)
        import mlflow

        experiment = tracking.experiment(client, EXPERIMENT, uri, settings.var)
        tags = {"kind": "evaluation", "ds": str(found.cuts[-1].cut), "cuts": cuts}
        with mlflow.start_run(experiment_id=experiment, run_name=f"evaluation {cuts}"[:250], tags=tags) as run:
            mlflow.log_params({"cuts": cuts, "days": len(found.cuts[0].window), "k": found.cuts[0].k})
            names = sorted(metrics)
            for start in range(0, len(names), METRICS_AT_ONCE):
                mlflow.log_metrics({name: metrics[name] for name in names[start : start + METRICS_AT_ONCE]})
            with TemporaryDirectory() as folder:
                for name, text in contents.items():
                    _write(Path(folder) / name, text)
                mlflow.log_artifacts(folder, "evaluation")
        return str(run.info.run_id)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
