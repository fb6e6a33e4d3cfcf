"""Where TensorFlow works: on the GPUs there are, or on the CPU with as many threads as allowed; alone or together."""

import logging
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from lake.errors import BadInput
from lake.settings import Settings
from models.workers import Workers

log = logging.getLogger("nightshelf.device")

DRIVER = Path("/dev/nvidiactl")
"""What NVIDIA's driver makes where it runs."""


@dataclass(frozen=True)
class Device:
    """A device to train on.

    Attributes:
        kind: `gpu` or `cpu`.
        count: GPUs, or 1.
        strategy: the `tf.distribute.Strategy` to build models under.
        compute_dtype: dtype of dense layers; parameters and losses stay float32.
        chief: whether this process keeps checkpoints and results; without other workers it does.
    """

    kind: str
    count: int
    strategy: Any
    compute_dtype: str
    chief: bool = True

    @property
    def replicas(self) -> int:
        """Among how many copies of a network each step is shared out, those of other workers included."""
        return int(self.strategy.num_replicas_in_sync)

    def describe(self) -> str:
        shared = f", {self.replicas} replicas" if self.replicas > 1 else ""
        return f"{self.count} x {self.kind}, {self.compute_dtype}{shared}"


def before_tensorflow(threads: int) -> None:
    """Set what TensorFlow reads at import. Call before the first import of it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))


def choose(settings: Settings) -> Device:
    """The device that `ACCELERATOR` and `TRAINING_STRATEGY` ask for.

    With `auto`, several GPUs are mirrored, and workers that `TF_CONFIG` names train together. bfloat16 is chosen for
    mixed precision because, unlike float16, it needs no loss scaling.

    Raises:
        BadInput: `ACCELERATOR=gpu` and TensorFlow sees none; the strategy needs more devices or workers than there are.
    """
    workers = Workers.of(settings)
    if not workers.several:
        # MirroredStrategy would read it all the same, and look for other machines.
        os.environ.pop("TF_CONFIG", None)
    before_tensorflow(settings.threads)
    import tensorflow as tf

    gpus = tf.config.get_visible_devices("GPU") if settings.accelerator != "cpu" else []
    if not gpus and settings.accelerator == "gpu":
        raise BadInput("ACCELERATOR=gpu, but TensorFlow sees no GPU; check driver and CUDA, or set ACCELERATOR=auto")
    if not gpus:
        _limit_threads(tf, settings.threads)
    for gpu in gpus:
        _grow_memory(tf, gpu)
    kind, dtype = ("gpu", "bfloat16") if gpus else ("cpu", "float32")
    if workers.several:
        found = Device(kind, max(len(gpus), 1), _together(), dtype, workers.chief)
    elif settings.training_strategy == "mirrored" or (settings.training_strategy == "auto" and len(gpus) > 1):
        devices = [device.name for device in tf.config.list_logical_devices(kind.upper())]
        if len(devices) < 2:
            raise BadInput(
                f"TRAINING_STRATEGY=mirrored, but there is one {kind} alone; set TRAINING_STRATEGY=auto, which mirrors "
                "where there is more than one GPU"
            )
        found = Device(kind, len(devices), tf.distribute.MirroredStrategy(devices), dtype)
    else:
        alone = tf.distribute.OneDeviceStrategy("/gpu:0") if gpus else tf.distribute.get_strategy()
        found = Device(kind, 1, alone, dtype)
    log.info("TensorFlow works on %s", found.describe())
    return found


def for_scoring(settings: Settings) -> bool:
    """Whether candidates are searched for on a GPU.

    TensorFlow is asked only where the driver has made its device, since its import takes longer than a small shop's
    lists.

    Raises:
        BadInput: `ACCELERATOR=gpu` and TensorFlow sees none.
    """
    if settings.accelerator == "cpu" or (settings.accelerator == "auto" and not DRIVER.exists()):
        return False
    return choose(settings.model_copy(update={"training_strategy": "single"})).kind == "gpu"


@lru_cache(maxsize=1)
def _together() -> Any:
    """The strategy of several workers; TensorFlow can enter a cluster once in a process."""
    import tensorflow as tf

    return tf.distribute.MultiWorkerMirroredStrategy()


def _limit_threads(tf: Any, threads: int) -> None:
    try:
        tf.config.set_visible_devices([], "GPU")
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError:
        log.debug("TensorFlow has started already; it keeps its threads")


def _grow_memory(tf: Any, gpu: Any) -> None:
    try:
        tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:
        log.debug("TensorFlow has started already; it keeps its memory setting")
