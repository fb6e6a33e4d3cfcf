"""Trains the two-tower with TensorFlow Recommenders, in a process of its own.

`python -m models.candidates.two_tower --workdir DIR --fits past,final` reads `DIR/<fit>.npz` (see `two_tower_data`)
and leaves `DIR/<fit>/arrays.npz`, a SavedModel of the query tower and `DIR/<fit>/done.json`. The first fit stops early
on its held-out days; each later one goes on from the weights of the one before for `warm_epochs`, as it only adds a few
weeks. A finished fit is not repeated, and a killed one goes on after its last whole epoch. Where several workers train
together, each runs this over the same folder, and the chief alone writes there. TFRS needs the legacy Keras, to be
chosen before TensorFlow is imported.
"""

import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import fcntl
import json
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from lake.command import finish
from lake.settings import Settings
from models.candidates import two_tower_data
from models.config import TrainingConfig
from models.device import Device, choose
from models.workers import Workers, wait_for

log = logging.getLogger("nightshelf.two_tower")


def fit(
    name: str,
    workdir: Path,
    config: TrainingConfig,
    device: Device,
    epochs: int | None,
    watch: Callable[[int, float], None] | None = None,
    before: str | None = None,
    callbacks: Sequence[Any] = (),
) -> dict[str, Any]:
    """Train one two-tower, or take up where a killed training stopped.

    Args:
        epochs: how many to run; None = until the held-out recall stops rising.
        watch: told the number of each epoch and its held-out recall; what it raises ends the training.
        before: a finished fit in `workdir` to start from; None = from random weights.
        callbacks: further ones of the legacy Keras.

    Returns:
        epochs, held-out recall (None without held-out days), examples and seconds. Without any example the starting
        weights stay, after 0 epochs.

    Raises:
        BadInput: a batch's loss is no number; names epoch and batch.
    """
    import tensorflow as tf

    from models.candidates.two_tower_fit import KeepBest, StopAtNan, batches, compiled, epoch_steps, held_out_batch

    folder, started = workdir / name, time.monotonic()
    done = folder / "done.json"
    if done.is_file():
        return dict(json.loads(done.read_text()))
    folder.mkdir(parents=True, exist_ok=True)
    data, size = _read(workdir / f"{name}.npz"), config.two_tower
    tf.keras.utils.set_random_seed(config.seed)
    with device.strategy.scope():
        model = compiled(data, size, device)
    if before is not None:
        model.start_from(_read(workdir / before / "arrays.npz"), data)
    patience = size.patience if epochs is None else None
    best = KeepBest(folder, held_out_batch(data, size), data, patience, watch, device)
    if len(data["target"]):
        backup = tf.keras.callbacks.BackupAndRestore(str(folder / "backup"), delete_checkpoint=False)
        steps = batches(data, size, config.seed, device)
        told = [StopAtNan(), best, backup, *callbacks]
        length = epoch_steps(data, size, device)
        model.fit(steps, epochs=epochs or size.max_epochs, steps_per_epoch=length, verbose=0, callbacks=told)
    else:
        log.warning("two-tower %s: nobody came back on a later day, so there is nothing to learn from", name)
    if not device.chief:
        wait_for(done)
        return dict(json.loads(done.read_text()))
    if best.epochs:
        best.restore(model)
    two_tower_data.save(model.export_arrays(data), folder / "arrays.npz")
    tf.saved_model.save(model.query_module(), str(folder / "query_tower"))
    result = {
        "epochs": best.epochs,
        "recall": best.recall,
        "examples": len(data["target"]),
        "seconds": round(time.monotonic() - started, 1),
    }
    half = folder / "done.half"
    half.write_text(json.dumps(result))
    half.replace(done)
    log.info("two-tower %s: %s", name, result)
    return result


def train(settings: Settings, workdir: Path, fits: list[str]) -> dict[str, Any]:
    """Run fits in order, oldest first, in one process; see the module's docstring."""
    workers = Workers.of(settings)
    with (workdir / ("lock" if workers.chief else f"lock-{workers.index}")).open("w") as lock:
        # A training whose parent was killed may still be at work; its successor waits and then finds the result.
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _train(settings, workdir, fits)


def _train(settings: Settings, workdir: Path, fits: list[str]) -> dict[str, Any]:
    config = TrainingConfig.parse((workdir / "config.json").read_text())
    device = choose(settings)
    results: dict[str, Any] = {"device": device.describe()}
    warm = config.two_tower.warm_epochs
    for number, name in enumerate(fits):
        if number == 0:
            results[name] = fit(name, workdir, config, device, None)
        elif warm:
            results[name] = fit(name, workdir, config, device, warm, before=fits[number - 1])
        else:
            results[name] = fit(name, workdir, config, device, results[fits[0]]["epochs"])
    return results


def _read(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def command(
    workdir: Annotated[Path, typer.Option(help="Folder with config.json and an .npz a fit.")],
    fits: Annotated[str, typer.Option(help="Names of fits, comma-separated, in order.")] = "past,final",
) -> None:
    """Train two-towers from prepared arrays."""
    finish("models.candidates.two_tower", lambda settings: train(settings, workdir, fits.split(",")))


if __name__ == "__main__":
    typer.run(command)
