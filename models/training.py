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
"""

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from lake.clock import DayRange, parse_day
from lake.command import finish
from lake.errors import BadInput
from lake.settings import Settings
from models import labels
from models.bundle import Bundle
from models.candidates import two_tower_data
from models.candidates.two_tower_process import TwoTowerProcess
from models.candidates.union import Union, make_sources
from models.config import TrainingConfig
from models.delivery import deliver, manifest
from models.device import Device, choose
from models.promotion import Mode
from models.ranking import examples, scoring
from models.ranking.examples import Examples
from models.snapshot import Snapshot
from models.stages import Stages, fingerprint, prune
from models.targets import Targets
from models.windows import Windows

log = logging.getLogger("nightshelf.training")

Arrays = Mapping[str, NDArray[Any]]
FEWEST_QUERIES = 20
"""Shoppers with a candidate touched that a ranker needs to learn anything."""
MOST_CALIBRATED = 3_000
"""Shoppers from whom probabilities are learned; more make it longer, hardly better."""
CODE = 5
"""Raised when the same input would now give another bundle, so that finished stages are not taken for it."""


def run(
    settings: Settings, ds: date, config: TrainingConfig, workdir: Path | None = None, promote: Mode = "auto"
) -> dict[str, Any]:
    """Train, register and settle whether the bundle becomes champion.

    The same input again reuses what is finished, so a cleared task registers nothing twice.

    Returns:
        version, promoted, reason, trained_through, kind (`full` or `fallback`), metrics, seconds by stage.

    Raises:
        BadInput: no events, features missing, or a setting that cannot be trained with.
        Unavailable: MLflow or a training process went away; another try goes on.
    """
    root = workdir or settings.var / "training" / ds.isoformat()
    windows = Windows.choose(settings, ds, config)
    now = Snapshot.load(settings, ds, exact=True)
    log.info("as of %s: %d users, %d items, %d events", ds, len(now.users), len(now.items), len(now.events))
    if workdir is None:
        prune(root)
    if windows is None or len(now.users) < settings.min_shoppers:
        why = f"{len(now.users)} shoppers (MIN_SHOPPERS={settings.min_shoppers})" if windows else "the log is too short"
        folder = Stages(root, fingerprint([CODE, config.get_config(), why, now]), 0).folder
        return _fallback(settings, now, config, folder, promote, why)
    cuts = {cut: Snapshot.load(settings, cut, exact=True) for cut in windows.cuts}
    key = fingerprint([CODE, config.get_config(), windows.days, now, *cuts.values()])
    return _full(settings, windows, config, Stages(root, key, 3 * len(cuts) + 6), promote, cuts, now)


def _full(
    settings: Settings,
    windows: Windows,
    config: TrainingConfig,
    stages: Stages,
    promote: Mode,
    cuts: Mapping[date, Snapshot],
    now: Snapshot,
) -> dict[str, Any]:
    fits = [day.isoformat() for day in (*cuts, now.as_of)] if "two_tower" in config.sources else []
    towers: Arrays | None = None
    learned: list[Examples] = []
    with TwoTowerProcess(stages.folder, fits) as process:
        if fits:
            _prepare(stages, config, [*cuts.values(), now], windows.days)
            process.start()
        for cut, snapshot in cuts.items():
            towers = _stage_one(stages, process, cut) if fits else None
            known, window = towers, windows.after(cut)
            made = stages.arrays(f"examples after {cut}", partial(_examples, settings, config, snapshot, known, window))
            learned.append(Examples.of(made))
        if len(learned[-1]) < FEWEST_QUERIES or sum(map(len, learned[:-1])) < FEWEST_QUERIES:
            why = f"only {', '.join(str(len(part)) for part in learned)} queries to learn from in the label windows"
            return _fallback(settings, now, config, stages.folder, promote, why)
        device = choose(settings)
        trial_ranker = _ranker(stages, "ranker of the trial", learned[:-1], config, device, None)
        ranker = _ranker(stages, "ranker", learned, config, device, int(trial_ranker["epochs"]))
        origin = {"trained_through": windows.test_cut.isoformat(), "kind": "full"}
        trial = Bundle(origin, config, towers, _weights(trial_ranker))
        metrics = stages.value("evaluation", lambda: _measure(settings, trial, windows, cuts[windows.test_cut]))
        chances = stages.arrays("probabilities", lambda: _chances(settings, trial, windows, cuts[windows.test_cut]))
        if fits:
            towers = _stage_one(stages, process, now.as_of)
    told = {"queries": [len(part) for part in learned], "ranker_epochs": int(trial_ranker["epochs"])}
    provenance = manifest(now, config, "full", metrics) | {"learned": told, "window_days": windows.days}
    bundle = Bundle(provenance, config, towers, {**_weights(ranker), **chances})
    return deliver(settings, bundle, stages.folder, stages.seconds, trial, windows, promote)


def _prepare(stages: Stages, config: TrainingConfig, snapshots: Sequence[Snapshot], held_out_days: int) -> None:
    """Lay out what each fit of the two-tower reads; the first holds days out to learn how long to train."""
    (stages.folder / "config.json").write_text(json.dumps(config.get_config()))
    for number, snapshot in enumerate(snapshots):
        held_out = 0 if number else held_out_days
        stages.arrays(f"{snapshot.as_of}", partial(two_tower_data.inputs, snapshot, config, held_out))


def _stage_one(stages: Stages, process: TwoTowerProcess, day: date) -> Arrays:
    stages.value(f"stage one to {day}", lambda: process.wait(day.isoformat()))
    return process.arrays(day.isoformat())


def _examples(
    settings: Settings, config: TrainingConfig, snapshot: Snapshot, towers: Arrays | None, window: DayRange
) -> Arrays:
    """The queries of one window, for lists of everything and for lists of what was never touched."""
    union = Union(make_sources(config, towers), config, snapshot)
    gains = labels.gains(settings, window.first, window.last, config.event_weights)
    build = partial(
        examples.build,
        union,
        gains,
        max_queries=config.max_queries,
        seed=config.seed,
        memory_mb=settings.scoring_memory_mb,
    )
    return Examples.concatenate([build(only_new=only_new) for only_new in (False, True)]).arrays()


def _ranker(
    stages: Stages, name: str, parts: Sequence[Examples], config: TrainingConfig, device: Device, epochs: int | None
) -> Arrays:
    def make() -> dict[str, NDArray[Any]]:
        from models.ranking import wide_deep

        data = Examples.concatenate(list(parts))

        folder = stages.folder / name.replace(" ", "_")
        fitted = wide_deep.fit(data, config.ranker, device, folder, seed=config.seed, epochs=epochs)
        return {**fitted.arrays, "epochs": np.array(fitted.epochs)}

    return stages.arrays(name, make)


def _weights(arrays: Arrays) -> Arrays:
    return {name: values for name, values in arrays.items() if name != "epochs"}


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
    count, memory = trial.config.candidates, settings.scoring_memory_mb
    return scoring.chances(trial.prepared(cut), trial.ranker, rows, touched, count, memory_mb=memory)


def _fallback(
    settings: Settings, now: Snapshot, config: TrainingConfig, folder: Path, promote: Mode, why: str
) -> dict[str, Any]:
    """A bundle of own and popular items, for a shop that is still too small to learn from."""
    log.warning("no models are trained: %s; the bundle ranks own and popular items", why)
    simple = config.model_copy(update={"sources": tuple(s for s in config.sources if s in ("own_items", "popular"))})
    bundle = Bundle(manifest(now, simple, "fallback", {}) | {"why": why}, simple)
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
