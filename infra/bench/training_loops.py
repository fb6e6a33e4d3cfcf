"""`python -m infra.bench.training_loops DIR RUNS THREADS`: our two-tower and two tutorials, an epoch each in turns.

Reads `DIR/data.npz` (`models.candidates.two_tower_data`) and leaves `DIR/speeds.json`, examples a second. The tutorials
are those of https://www.tensorflow.org/recommenders/examples: `basic_retrieval` and `sequential_retrieval`, with ids as
text, `from_tensor_slices`, cached batches and Adagrad as they stand there; batch size and dimension are ours.
"""

import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs
from numpy.typing import NDArray

from infra.bench.figures import in_turns, stopwatch
from lake.settings import Settings
from models.candidates.two_tower_fit import StopAtNan, batches, compiled
from models.candidates.two_tower_sampling import step_size
from models.config import TwoTowerConfig
from models.device import choose

Arrays = dict[str, NDArray[Any]]
SEED = 1


class Tutorial(tfrs.Model):
    """The tutorials' model: two Keras models and a retrieval task; metrics only where it is evaluated."""

    def __init__(self, query: tf.keras.Model, candidate: tf.keras.Model) -> None:
        super().__init__()
        self.query_model, self.candidate_model = query, candidate
        self.task = tfrs.tasks.Retrieval()

    def compute_loss(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        query = self.query_model(inputs["query"])
        return self.task(query, self.candidate_model(inputs["item"]), compute_metrics=not training)


def ours(data: Arrays, config: TwoTowerConfig, threads: int) -> Callable[[], float]:
    """Epochs of the fit that a training runs."""
    device = choose(Settings(threads=threads))
    with device.strategy.scope():
        model = compiled(data, config, device)
    return _epochs(model, batches(data, config, SEED), data, config, [StopAtNan()])


def basic(data: Arrays, config: TwoTowerConfig) -> Callable[[], float]:
    """Epochs of the basic retrieval tutorial."""
    users = np.char.add("u", data["user"].astype(np.str_))
    features = {"query": users, "item": data["item_ids"][data["target"]]}
    model = Tutorial(_embedded(np.unique(users), config.dim), _embedded(data["item_ids"], config.dim))
    return _tutorial(model, features, data, config, shuffled=100_000)


def sequential(data: Arrays, config: TwoTowerConfig) -> Callable[[], float]:
    """Epochs of the sequential retrieval tutorial, over the items that our query reads, too."""
    at = data["end"][:, None] - 1 - np.arange(config.history)[None, ::-1]
    known = at >= data["begin"][:, None]
    history = np.where(known, data["item_ids"][data["item"][np.maximum(at, 0)]], "")
    query = _embedded(data["item_ids"], config.dim)
    query.add(tf.keras.layers.GRU(config.dim))
    model = Tutorial(query, _embedded(data["item_ids"], config.dim))
    features = {"query": history, "item": data["item_ids"][data["target"]]}
    return _tutorial(model, features, data, config, shuffled=10_000)


def _embedded(vocabulary: NDArray[np.str_], dim: int) -> tf.keras.Sequential:
    lookup = tf.keras.layers.StringLookup(vocabulary=vocabulary, mask_token=None)
    return tf.keras.Sequential([lookup, tf.keras.layers.Embedding(len(vocabulary) + 1, dim)])


def _tutorial(
    model: Tutorial, features: dict[str, NDArray[Any]], data: Arrays, config: TwoTowerConfig, shuffled: int
) -> Callable[[], float]:
    model.compile(optimizer=tf.keras.optimizers.Adagrad(learning_rate=0.1))
    size = step_size(len(data["target"]), config)
    examples = tf.data.Dataset.from_tensor_slices(features).shuffle(shuffled, seed=SEED).batch(size).cache()
    return _epochs(model, examples, data, config, [])


def _epochs(
    model: tf.keras.Model, examples: tf.data.Dataset, data: Arrays, config: TwoTowerConfig, callbacks: list[Any]
) -> Callable[[], float]:
    count = len(data["target"]) // step_size(len(data["target"]), config) * step_size(len(data["target"]), config)

    def epoch() -> float:
        with stopwatch() as seconds:
            model.fit(examples, epochs=1, verbose=0, callbacks=callbacks)
        return count / seconds()

    return epoch


def main(folder: Path, runs: int, threads: int) -> None:
    with np.load(folder / "data.npz", allow_pickle=False) as stored:
        data = {name: stored[name] for name in stored.files}
    config = TwoTowerConfig()
    loops = {"ours": ours(data, config, threads), "basic": basic(data, config), "sequential": sequential(data, config)}
    found: dict[str, Any] = dict(zip(loops, in_turns(runs, *loops.values()), strict=True))
    shape = {name: getattr(config, name) for name in ("batch_size", "dim", "history")}
    epoch = round(len(data["target"]) / float(np.median(found["ours"])), 2)
    (folder / "speeds.json").write_text(
        json.dumps({**found, **shape, "threads": threads, "ours_seconds_an_epoch": epoch})
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
