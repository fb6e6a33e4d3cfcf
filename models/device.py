"""Where training and the search for candidates run: the GPUs there are, or the CPU with as many threads as allowed."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lake.errors import BadInput
from lake.settings import Settings

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
    """

    kind: str
    count: int
    strategy: Any
    compute_dtype: str

    def describe(self) -> str:
        return f"{self.count} x {self.kind}, {self.compute_dtype}"


def before_tensorflow(threads: int) -> None:
    """Set what TensorFlow reads at import. Call before the first import of it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))


def choose(settings: Settings) -> Device:
    """The device that `ACCELERATOR` asks for; several GPUs are mirrored.

    bfloat16 is chosen for mixed precision because, unlike float16, it needs no loss scaling.

    Raises:
        BadInput: `ACCELERATOR=gpu` and TensorFlow sees none.
    """
    before_tensorflow(settings.threads)
    import tensorflow as tf

    gpus = tf.config.get_visible_devices("GPU") if settings.accelerator != "cpu" else []
    if not gpus and settings.accelerator == "gpu":
        raise BadInput("ACCELERATOR=gpu, but TensorFlow sees no GPU; check driver and CUDA, or set ACCELERATOR=auto")
    if not gpus:
        _limit_threads(tf, settings.threads)
        found = Device("cpu", 1, tf.distribute.get_strategy(), "float32")
    else:
        for gpu in gpus:
            _grow_memory(tf, gpu)
        strategy = tf.distribute.MirroredStrategy() if len(gpus) > 1 else tf.distribute.OneDeviceStrategy("/gpu:0")
        found = Device("gpu", len(gpus), strategy, "bfloat16")
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
    return choose(settings).kind == "gpu"


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
