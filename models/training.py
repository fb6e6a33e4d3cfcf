"""Trains both stages as of a day and registers them as one bundle.

`python -m models.training --ds T [--config JSON] [--workdir DIR] [--promote auto|never|always]`; `--plan` only prints
the days whose features it needs. With label windows of h days:

1. stage one is trained on what was known at T-2h;
2. its candidates at T-2h and at T-h, labelled by the h days after, become ranking examples;
3. a ranker on the first window, with that stage one, is the *trial*: judged on the second window, which it never saw;
4. the final ranker learns from both windows, for as many epochs as the trial needed;
5. stage one is trained anew on everything up to T (while 2 to 4 run), and both become the bundle.
"""

import json
import logging
import shutil
import subprocess
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer
from numpy.typing import NDArray

from lake.clock import parse_day
from lake.command import finish
from lake.errors import BadInput
from lake.settings import Settings
from models import labels
from models.bundle import Bundle
from models.candidates import two_tower_data
from models.candidates.two_tower_process import TwoTowerProcess
from models.candidates.union import Union, make_sources
from models.config import TrainingConfig
from models.device import Device, choose
from models.ranking import examples
from models.ranking.examples import Examples
from models.ranking.features import CROSSES, NAMES
from models.snapshot import Snapshot
from models.stages import Stages, fingerprint, prune
from models.windows import Windows

log = logging.getLogger("nightshelf.training")

Arrays = Mapping[str, NDArray[Any]]
Promote = Literal["auto", "never", "always"]
FEWEST_QUERIES = 20
"""Shoppers with a candidate touched that a ranker needs to learn anything."""
CODE = 3
"""Raised when the same input would now give another bundle, so that finished stages are not taken for it."""


def run(
    settings: Settings, ds: date, config: TrainingConfig, workdir: Path | None = None, promote: Promote = "auto"
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
    past = Snapshot.load(settings, windows.past, exact=True)
    middle = Snapshot.load(settings, windows.middle, exact=True)
    key = fingerprint([CODE, config.get_config(), windows.days, now, past, middle])
    stages = Stages(root, key, 9)
    return _full(settings, windows, config, stages, promote, (past, middle, now))


def _full(
    settings: Settings,
    windows: Windows,
    config: TrainingConfig,
    stages: Stages,
    promote: Promote,
    snapshots: tuple[Snapshot, Snapshot, Snapshot],
) -> dict[str, Any]:
    past, middle, now = snapshots
    towers: Arrays | None = None
    with TwoTowerProcess(stages.folder) as process:
        if "two_tower" in config.sources:
            _prepare(stages, config, past, now, windows.days)
            process.start()
            stages.value("stage one to T-2h", lambda: process.wait("past"))
            towers = process.arrays("past")

        def made(snapshot: Snapshot, window: Any) -> Arrays:
            union = Union(make_sources(config, towers), config, snapshot)
            gains = labels.gains(settings, window.first, window.last, config.event_weights)
            bound = {"max_queries": config.max_queries, "memory_mb": settings.scoring_memory_mb, "seed": config.seed}
            return examples.build(union, gains, **bound).arrays()

        first = Examples.of(stages.arrays("examples of the first window", lambda: made(past, windows.first)))
        second = Examples.of(stages.arrays("examples of the second window", lambda: made(middle, windows.second)))
        if min(len(first), len(second)) < FEWEST_QUERIES:
            why = f"only {len(first)} and {len(second)} shoppers to learn from in the label windows"
            return _fallback(settings, now, config, stages.folder, promote, why)
        device = choose(settings)
        trial_ranker = _ranker(stages, "ranker of the trial", first, config, device, None)
        both = Examples.concatenate([first, second])
        ranker = _ranker(stages, "ranker", both, config, device, int(trial_ranker["epochs"]))
        trial = Bundle(
            {"trained_through": windows.middle.isoformat(), "kind": "full"}, config, towers, _weights(trial_ranker)
        )
        metrics = stages.value("evaluation", lambda: _measure(settings, trial, windows, middle))
        if "two_tower" in config.sources:
            stages.value("stage one to T", lambda: process.wait("final"))
            towers = process.arrays("final")
    learned = {"queries": [len(first), len(second)], "ranker_epochs": int(trial_ranker["epochs"])}
    manifest = _manifest(now, config, "full", metrics) | {"learned": learned, "window_days": windows.days}
    bundle = Bundle(manifest, config, towers, _weights(ranker))
    return _deliver(settings, bundle, stages.folder, stages.seconds, trial, windows, promote)


def _prepare(stages: Stages, config: TrainingConfig, past: Snapshot, now: Snapshot, held_out_days: int) -> None:
    (stages.folder / "config.json").write_text(json.dumps(config.get_config()))
    stages.arrays("past", lambda: two_tower_data.inputs(past, config, held_out_days))
    stages.arrays("final", lambda: two_tower_data.inputs(now, config, 0))


def _ranker(
    stages: Stages, name: str, data: Examples, config: TrainingConfig, device: Device, epochs: int | None
) -> Arrays:
    def make() -> dict[str, NDArray[Any]]:
        from models.ranking import wide_deep

        folder = stages.folder / name.replace(" ", "_")
        fitted = wide_deep.fit(data, config.ranker, device, folder, seed=config.seed, epochs=epochs)
        return {**fitted.arrays, "epochs": np.array(fitted.epochs)}

    return stages.arrays(name, make)


def _weights(arrays: Arrays) -> Arrays:
    return {name: values for name, values in arrays.items() if name != "epochs"}


def _measure(settings: Settings, trial: Bundle, windows: Windows, middle: Snapshot) -> dict[str, Any]:
    """The trial against the baselines on the second window, and the AUC that later days are held against."""
    from models.auc_estimator import reference
    from models.evaluation import evaluate_bundles

    try:
        measured: dict[str, Any] = evaluate_bundles(settings, {"trial": trial}, middle, windows.second).as_dict()
    except BadInput as error:
        measured = {"not_evaluated": str(error)}
    return {**measured, **reference(trial, settings, windows.second.first, windows.second.last)}


def _fallback(
    settings: Settings, now: Snapshot, config: TrainingConfig, folder: Path, promote: Promote, why: str
) -> dict[str, Any]:
    """A bundle of own and popular items, for a shop that is still too small to learn from."""
    log.warning("no models are trained: %s; the bundle ranks own and popular items", why)
    simple = config.model_copy(update={"sources": tuple(s for s in config.sources if s in ("own_items", "popular"))})
    bundle = Bundle(_manifest(now, simple, "fallback", {}) | {"why": why}, simple)
    return _deliver(settings, bundle, folder, {}, bundle, None, promote)


def _manifest(now: Snapshot, config: TrainingConfig, kind: str, metrics: Mapping[str, Any]) -> dict[str, Any]:
    reference = {name: value for name, value in metrics.items() if name.startswith("reference_")}
    return {
        "kind": kind,
        "trained_through": now.as_of.isoformat(),
        "sources": list(config.sources),
        "features": {"dense": list(NAMES), "crosses": list(CROSSES)},
        "users": len(now.users),
        "items": len(now.items),
        "events": len(now.events),
        "delta_versions": now.versions,
        "partitions": now.partitions,
        "metrics": dict(metrics),
        "code": _code_version(),
        **reference,
    }


def _code_version() -> str:
    """What `git describe` says of the checkout; `unknown` outside of one."""
    command = ["git", "describe", "--always", "--dirty", "--tags"]
    where = Path(__file__).parent
    try:
        return (
            subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=10).stdout.strip() or "unknown"
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"


def _deliver(
    settings: Settings,
    bundle: Bundle,
    folder: Path,
    seconds: Mapping[str, float],
    trial: Bundle,
    windows: Windows | None,
    promote: Promote,
) -> dict[str, Any]:
    """Save, register, settle. A bundle saved by an earlier try is registered as it is: registering twice is one."""
    from models.promotion import settle
    from models.registry import Registry

    path, ds = folder / "bundle", bundle.trained_through
    if not (path / "manifest.json").is_file():
        half = folder / "bundle.half"
        shutil.rmtree(half, ignore_errors=True)
        bundle.save(half).replace(path)
    saved = json.loads((path / "manifest.json").read_text())
    version = Registry(settings).register(
        path,
        metrics={**saved["metrics"], "seconds": dict(seconds)},
        params=saved["config"],
        delta_versions=saved["delta_versions"],
        tags={"ds": ds.isoformat(), "kind": saved["kind"], "code": saved["code"]},
    )
    window = windows.second if windows else None
    settled = settle(settings, version, trial, window, ds=ds, mode=promote)
    return {
        "version": version,
        "promoted": settled.promote,
        "reason": settled.reason,
        "trained_through": ds.isoformat(),
        "kind": saved["kind"],
        "metrics": saved["metrics"],
        "seconds": dict(seconds),
    }


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
