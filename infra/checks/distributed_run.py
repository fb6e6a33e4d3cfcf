"""`python -m infra.checks.distributed_run MODEL WAY FOLDER`: one training of the check `distributed`.

Leaves `FOLDER/<worker>.json` with the loss of every step (two-tower) or epoch (ranker), the held-out figure and the
seconds. The environment says the rest: `TF_CONFIG` of a worker; `EXCHANGE=false` keeps each replica's candidates to
itself; `DROPOUT=true` leaves dropout on, whose draws no two ways have in common.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from infra.checks import distributed_data
from lake.settings import Settings
from models.config import TrainingConfig
from models.device import Device, before_tensorflow, choose
from models.workers import Workers

SEED, VIRTUAL = 3, 2


def main(model: str, way: str, folder: Path) -> None:
    """Train `two_tower`, `two_tower_all` or `ranker` the way that `TRAINING_STRATEGY` calls so."""
    if model != "ranker":
        os.environ["TF_USE_LEGACY_KERAS"] = "1"
    before_tensorflow(1)
    if way == "mirrored":
        import tensorflow as tf

        parts = [tf.config.LogicalDeviceConfiguration()] * VIRTUAL
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)
    # Replicas of one process wait for each other: each needs a thread.
    threads = VIRTUAL if way == "mirrored" else 1
    settings = Settings.model_validate({"accelerator": "cpu", "training_strategy": way, "threads": threads})
    device, worker = choose(settings), Workers.of(settings).index
    started = time.monotonic()
    figures = _ranker(device, folder) if model == "ranker" else _two_tower(model, device, folder)
    figures |= {"replicas": device.replicas, "chief": device.chief, "seconds": round(time.monotonic() - started, 1)}
    (folder / f"{worker}.json").write_text(json.dumps(figures))


def _two_tower(model: str, device: Device, folder: Path) -> dict[str, Any]:
    import tensorflow as tf

    from models.candidates import two_tower, two_tower_data, two_tower_model

    if os.environ.get("DROPOUT") != "true":
        two_tower_model.ID_DROPOUT = 0.0
    if os.environ.get("EXCHANGE") == "false":
        setattr(two_tower_model, "of_all_replicas", lambda values: values)  # noqa: B010
    steps: list[float] = []
    keep = tf.keras.callbacks.LambdaCallback(on_train_batch_end=lambda _, logs: steps.append(float(logs["loss"])))
    config = distributed_data.TOWER if model == "two_tower" else distributed_data.TOWER_ALL
    if device.chief:
        two_tower_data.save(distributed_data.tower_examples(), folder / "fit.npz")
    from models.workers import wait_for

    wait_for(folder / "fit.npz", 60)
    training = TrainingConfig(two_tower=config, seed=SEED)
    result = two_tower.fit("fit", folder, training, device, None, callbacks=[keep])
    return {"curve": steps, "held_out": result["recall"], "epochs": result["epochs"]}


def _ranker(device: Device, folder: Path) -> dict[str, Any]:
    from models.ranking import wide_deep

    config = distributed_data.RANKER
    if os.environ.get("DROPOUT") != "true":
        config = config.model_copy(update={"dropout": 0.0})
    fitted = wide_deep.fit(distributed_data.ranker_examples(), config, device, folder / "fit", seed=SEED)
    return {"curve": list(fitted.curve), "held_out": fitted.loss, "epochs": fitted.epochs}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
