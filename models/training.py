"""Trains both stages as of a day and registers them as one bundle.

`python -m models.training --ds T [--config JSON] [--workdir DIR] [--promote auto|never|always]`; `--plan` only prints
the days whose features it needs. With N label windows of h days (see
`windows`), for each window the cut being the day before it:

1. stage one is trained up to each cut in turn, and last up to T;
2. its candidates at each cut, labelled by the window after, become ranking examples: once for lists of everything,
   once for lists of what the shopper never touched;
3. a ranker on all windows but the last, with stage one of the last cut, is the *trial*: judged on the last window;
4. the final ranker learns from all windows, for as many epochs as the trial needed; how the trial's scores turned out
   on the last window makes them probabilities;
5. stage one up to T and that ranker become the bundle.

Several workers (`TF_CONFIG`, see docs/training_at_scale.md) run this over one VAR; they teach the networks together,
and the chief does the rest.
"""

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from lake.clock import parse_day
from lake.command import finish
from lake.errors import BadInput
from lake.settings import Settings
from models import labels, teaching
from models.bundle import Bundle
from models.candidates.two_tower_process import TwoTowerProcess
from models.config import TrainingConfig
from models.delivery import deliver, manifest
from models.device import choose
from models.promotion import Mode
from models.ranking import scoring
from models.ranking.examples import Examples
from models.snapshot import Snapshot
from models.stages import Stages, fingerprint, prune
from models.targets import Targets
from models.windows import Windows
from models.workers import Workers

log = logging.getLogger("nightshelf.training")

Arrays = Mapping[str, NDArray[Any]]
FEWEST_QUERIES = 20
"""Shoppers with a candidate touched that a ranker needs to learn anything."""
MOST_CALIBRATED = 2_000
"""Shoppers from whom probabilities are learned; more make it longer, hardly better."""
CODE = 5
"""Raised when the same input would now give another bundle, so that finished stages are not taken for it."""


def run(
    settings: Settings, ds: date, config: TrainingConfig, workdir: Path | None = None, promote: Mode = "auto"
) -> dict[str, Any]:
    """Train, register and settle whether the bundle becomes champion.

    The same input again reuses what is finished, so a cleared task registers nothing twice.

    Returns:
        version, promoted, reason, trained_through, kind (`full` or `fallback`), metrics, seconds by stage; of a worker
        that is not the chief, only `worker` and `seconds`.

    Raises:
        BadInput: no events, features missing, or a setting that cannot be trained with.
        Unavailable: MLflow or a training process went away; another try goes on.
    """
    root, workers = workdir or settings.var / "training" / ds.isoformat(), Workers.of(settings)
    windows = Windows.choose(settings, ds, config)
    now = Snapshot.load(settings, ds, exact=True)
    log.info("as of %s: %d users, %d items, %d events", ds, len(now.users), len(now.items), len(now.events))
    if workdir is None and workers.chief:
        prune(root)
    if windows is None or len(now.users) < settings.min_shoppers:
        why = f"{len(now.users)} shoppers (MIN_SHOPPERS={settings.min_shoppers})" if windows else "the log is too short"
        if not workers.chief:
            return _took_part(workers, {})
        folder = Stages(root, fingerprint([CODE, config.get_config(), why, now]), 0).folder
        return _fallback(settings, now, config, folder, promote, why)
    cuts = {cut: Snapshot.load(settings, cut, exact=True) for cut in windows.cuts}
    key = fingerprint([CODE, config.get_config(), windows.days, now, *cuts.values()])
    stages = Stages(root, key, 3 * len(cuts) + 6, workers.chief)
    return _full(settings, windows, config, stages, workers, promote, cuts, now)


def _full(
    settings: Settings,
    windows: Windows,
    config: TrainingConfig,
    stages: Stages,
    workers: Workers,
    promote: Mode,
    cuts: Mapping[date, Snapshot],
    now: Snapshot,
) -> dict[str, Any]:
    fits = [day.isoformat() for day in (*cuts, now.as_of)] if "two_tower" in config.sources else []
    towers: Arrays | None = None
    learned: list[Examples] = []
    with TwoTowerProcess(stages.folder, fits, workers) as process:
        if fits:
            teaching.lay_out_towers(stages, config, [*cuts.values(), now], windows.days)
            process.start()
        for cut, snapshot in cuts.items():
            towers = teaching.towers_of(stages, process, cut) if fits else None
            make = partial(teaching.examples_after, settings, config, snapshot, towers, windows.after(cut))
            learned.append(Examples.of(stages.arrays(f"examples after {cut}", make)))
        if len(learned[-1]) < FEWEST_QUERIES or sum(map(len, learned[:-1])) < FEWEST_QUERIES:
            why = f"only {', '.join(str(len(part)) for part in learned)} queries to learn from in the label windows"
            if not workers.chief:
                return _took_part(workers, stages.seconds)
            return _fallback(settings, now, config, stages.folder, promote, why)
        device = choose(settings)
        trial_ranker = teaching.teach_ranker(stages, "ranker of the trial", learned[:-1], config, device, None)
        if not workers.chief:
            teaching.teach_ranker(stages, "ranker", learned, config, device, int(trial_ranker["epochs"]))
            if fits:
                teaching.towers_of(stages, process, now.as_of)
            return _took_part(workers, stages.seconds)
        origin = {"trained_through": windows.test_cut.isoformat(), "kind": "full"}
        trial = Bundle(origin, config, towers, teaching.weights(trial_ranker))
        # Judging the trial mostly reads and waits, so it goes on beside the lessons of the ranker that ships.
        with ThreadPoolExecutor(1) as beside:
            judged = beside.submit(_judge, settings, stages, trial, windows, cuts[windows.test_cut])
            ranker = teaching.teach_ranker(stages, "ranker", learned, config, device, int(trial_ranker["epochs"]))
            metrics, chances = judged.result()
        if fits:
            towers = teaching.towers_of(stages, process, now.as_of)
    told = {"queries": [len(part) for part in learned], "ranker_epochs": int(trial_ranker["epochs"])}
    provenance = manifest(settings, now, config, "full", metrics) | {"learned": told, "window_days": windows.days}
    bundle = Bundle(provenance, config, towers, {**teaching.weights(ranker), **chances})
    return deliver(settings, bundle, stages.folder, stages.seconds, trial, windows, promote)


def _took_part(workers: Workers, seconds: Mapping[str, float]) -> dict[str, Any]:
    """What a worker that is not the chief says of a training: the chief's own line has its result."""
    return {"worker": workers.index, "seconds": dict(seconds)}


def _judge(
    settings: Settings, stages: Stages, trial: Bundle, windows: Windows, cut: Snapshot
) -> tuple[dict[str, Any], Arrays]:
    """The trial's figures, and how its scores turned out."""
    metrics = stages.value("evaluation", lambda: _measure(settings, trial, windows, cut))
    return metrics, stages.arrays("probabilities", lambda: _chances(settings, trial, windows, cut))


def _measure(settings: Settings, trial: Bundle, windows: Windows, cut: Snapshot) -> dict[str, Any]:
    """The trial against the baselines on the last window, and the AUC that later days are held against."""
    from models.auc_estimator import reference
    from models.evaluation import evaluate_bundles

    window = windows.after(cut.as_of)
    try:
        measured: dict[str, Any] = evaluate_bundles(settings, {"trial": trial}, cut, window).as_dict()
    except BadInput as error:
        measured = {"not_evaluated": str(error)}
    return {**measured, **reference(trial, settings, window.first, window.last)}


def _chances(settings: Settings, trial: Bundle, windows: Windows, cut: Snapshot) -> Arrays:
    """How the trial's scores turned out on the last window, over shoppers who came and shoppers who did not.

    The ranker that ships learned that window as well; its scores are on the same scale.
    """
    assert trial.ranker is not None
    rows = np.arange(len(cut.users), dtype=np.int32)
    if len(rows) > MOST_CALIBRATED:
        rows = np.sort(np.random.default_rng(trial.config.seed).choice(rows, MOST_CALIBRATED, replace=False))
    window = windows.after(cut.as_of)
    touched = Targets.matrix(cut, labels.touched(settings, window.first, window.last), rows)
    count, bounds = trial.config.candidates, {"memory_mb": settings.scoring_memory_mb, "threads": settings.threads}
    return scoring.chances(trial.ranking(cut), rows, touched, count, **bounds)


def _fallback(
    settings: Settings, now: Snapshot, config: TrainingConfig, folder: Path, promote: Mode, why: str
) -> dict[str, Any]:
    """A bundle of own and popular items, for a shop that is still too small to learn from."""
    log.warning("no models are trained: %s; the bundle ranks own and popular items", why)
    simple = config.model_copy(update={"sources": tuple(s for s in config.sources if s in ("own_items", "popular"))})
    bundle = Bundle(manifest(settings, now, simple, "fallback", {}) | {"why": why}, simple)
    return deliver(settings, bundle, folder, {}, bundle, None, promote)


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(help=__doc__)
def main(
    ds: Annotated[str, typer.Option("--ds", help="The last day that may be known, YYYY-MM-DD.")],
    config: Annotated[str, typer.Option("--config", help="JSON object of settings that differ.")] = "",
    workdir: Annotated[Path | None, typer.Option("--workdir", help="Default VAR/training/<ds>.")] = None,
    promote: Annotated[str, typer.Option("--promote", help="auto, never or always.")] = "auto",
    plan: Annotated[bool, typer.Option("--plan", help="Only print the days whose features are needed.")] = False,
) -> None:
    def work(settings: Settings) -> Mapping[str, Any]:
        day, chosen = parse_day(ds, "--ds"), TrainingConfig.parse(config)
        if plan:
            return Windows.plan(settings, day, chosen)
        if promote not in ("auto", "never", "always"):
            raise BadInput(f"--promote {promote!r}: give auto, never or always")
        return run(settings, day, chosen, workdir, promote)  # type: ignore[arg-type]

    finish("models.training", work)


if __name__ == "__main__":
    app()
