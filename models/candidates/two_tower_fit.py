"""How the two-tower is fed, watched and stopped. Import only after choosing legacy Keras."""

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lake.errors import BadInput
from models.candidates.two_tower_model import TwoTowerModel
from models.candidates.two_tower_sampling import step_size
from models.config import TwoTowerConfig
from models.device import Device
from models.distribution import as_the_chief, in_parts

log = logging.getLogger("nightshelf.two_tower")

Arrays = Mapping[str, NDArray[Any]]
Watch = Callable[[int, float], None]
"""Told after each epoch its number, from 1, and the held-out recall; what it raises ends the training."""
RECALL_AT = 100
MAX_HELD_OUT = 4000


def compiled(data: Arrays, config: TwoTowerConfig, device: Device) -> TwoTowerModel:
    """The model with its optimiser, from random weights; call it in the device's strategy scope."""
    model = TwoTowerModel(data, config, device.compute_dtype)
    model.compile(optimizer=tf.keras.optimizers.legacy.Adam(config.learning_rate, gradient_transformers=[_dense]))
    if device.replicas > 1:
        # What a first step creates stands under a condition, where replicas cannot tell each other anything.
        model.optimizer._create_all_weights(model.trainable_variables)
    return model


def _dense(gradients: list[tuple[Any, tf.Variable]]) -> list[tuple[tf.Tensor, tf.Variable]]:
    """Gradients of whole tables: Adam moves every row of them at any step, and does it fastest in one fused pass."""
    return [(tf.convert_to_tensor(gradient), weights) for gradient, weights in gradients]


def batches(data: Arrays, config: TwoTowerConfig, seed: int, device: Device | None = None) -> Any:
    """Shuffled batches; histories are gathered a whole batch at a time, so no example is ever handled alone.

    Returns:
        A dataset; where the device has several replicas, one that is distributed over them and has no end.
    """
    count = len(data["target"])
    log_of = {name: tf.constant(data[name]) for name in ("item", "age", "said")}
    example = {name: tf.constant(data[name]) for name in ("begin", "end", "now", "target", "user")}
    context = tf.constant(data["context"])

    def gather(rows: tf.Tensor) -> dict[str, tf.Tensor]:
        chosen = {name: tf.gather(values, rows) for name, values in example.items()}
        query = _history(log_of, chosen["begin"], chosen["end"], chosen["now"], config)
        return {**query, "target": chosen["target"], "context": tf.gather(context, chosen["user"])}

    replicas = device.replicas if device else 1
    size = step_size(count, config, replicas)
    order = tf.data.Dataset.range(count).shuffle(max(count, 1), seed=seed, reshuffle_each_iteration=True)
    if device is None or replicas == 1:
        return order.batch(size, drop_remainder=count >= size).map(gather, num_parallel_calls=2).prefetch(2)
    # Too few examples for one step of equal parts: some come twice.
    order = order if count >= size else order.repeat().take(size)
    # Keras asks a plain dataset for an order once before the first epoch; here that one is left out.
    steps = order.batch(size, drop_remainder=True).repeat().skip(max(count // size, 1))
    return in_parts(steps, gather, device.strategy)


def epoch_steps(data: Arrays, config: TwoTowerConfig, device: Device) -> int | None:
    """Steps of an epoch of `batches`, for Keras, which cannot tell where a distributed dataset ends; else None."""
    if device.replicas == 1:
        return None
    count = len(data["target"])
    return max(count // step_size(count, config, device.replicas), 1)


def _history(
    log_of: Mapping[str, tf.Tensor], begin: tf.Tensor, end: tf.Tensor, now: tf.Tensor, config: TwoTowerConfig
) -> dict[str, tf.Tensor]:
    """`past` int32, `weight` and `age` (days) float32, `[n, config.history]`; padding has weight 0."""
    at = end[:, None] - 1 - tf.range(config.history, dtype=tf.int64)[None, :]
    valid = at >= begin[:, None]
    at = tf.where(valid, at, 0)
    age = tf.maximum(tf.gather(log_of["age"], at) - now[:, None], 0.0)
    weight = tf.gather(log_of["said"], at) * tf.pow(2.0, -age / config.half_life_days)
    weight = tf.where(valid, weight, 0.0)
    weight /= tf.maximum(tf.reduce_sum(weight, axis=1, keepdims=True), 1e-12)
    past = tf.gather(log_of["item"], at)
    return {"past": tf.where(valid, past, past[:, :1]), "weight": weight, "age": age}


def held_out_batch(data: Arrays, config: TwoTowerConfig) -> dict[str, tf.Tensor] | None:
    """The held-out queries as one batch; None where there are none."""
    count = min(len(data["held_user"]), MAX_HELD_OUT)
    if not count:
        return None
    log_of = {name: tf.constant(data[name]) for name in ("item", "age", "said")}
    begin, end, now = (tf.constant(data[f"held_{name}"][:count]) for name in ("begin", "end", "now"))
    return {
        **_history(log_of, begin, end, now, config),
        "context": tf.gather(tf.constant(data["context"]), data["held_user"][:count]),
    }


class StopAtNan(tf.keras.callbacks.Callback):
    """Stops a training at the first batch whose loss is no number, and names it."""

    def __init__(self) -> None:
        super().__init__()
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        loss = float((logs or {})["loss"])
        if not np.isfinite(loss):
            raise BadInput(
                f"two-tower: the loss became {loss} in epoch {self._epoch + 1}, batch {batch + 1}; lower "
                "two_tower.learning_rate or raise two_tower.temperature"
            )


class KeepBest(tf.keras.callbacks.Callback):
    """Keeps the weights of the epoch with the best held-out recall, on disk, and stops when it has passed.

    Args:
        patience: epochs without a better recall before stopping; None = run to the end and keep the last.
        watch: see `Watch`; called where there is a recall.
        device: its chief alone writes; all workers go by its recall.
    """

    def __init__(
        self,
        folder: Path,
        asked: dict[str, tf.Tensor] | None,
        data: Arrays,
        patience: int | None,
        watch: Watch | None = None,
        device: Device | None = None,
    ) -> None:
        super().__init__()
        self._watch, self._device = watch, device
        self._weights, self._state = folder / "best.weights.npz", folder / "best.json"
        self._asked = asked if patience is not None else None
        self._targets, self._ptr = data["held_targets"], data["held_ptr"]
        self._patience = patience or 0
        self._k = min(RECALL_AT, len(data["item_ids"]))
        state = json.loads(self._state.read_text()) if self._state.is_file() else {}
        self.epochs: int = state.get("epochs", 0)
        self.recall: float | None = state.get("recall")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        recall = self._measure() if self._asked is not None else None
        name, loss = self._state.parent.name, (logs or {})["loss"]
        log.info("two-tower %s epoch %d: loss %.4f, held-out recall@%d %s", name, epoch + 1, loss, self._k, recall)
        if recall is None or self.recall is None or recall > self.recall + 1e-4:
            self.epochs, self.recall = epoch + 1, recall
            if self._device is None or self._device.chief:
                np.savez(self._weights, *self.model.get_weights())
                self._state.write_text(json.dumps({"epochs": self.epochs, "recall": recall}))
        elif epoch + 1 - self.epochs >= self._patience:
            self.model.stop_training = True
        if self._watch and recall is not None:
            self._watch(epoch + 1, recall)

    def restore(self, model: Any) -> None:
        """Put the best weights back."""
        with np.load(self._weights) as stored:
            model.set_weights([stored[name] for name in stored.files])

    def _measure(self) -> float:
        assert self._asked is not None
        proposed = self.model.recommend(self._asked, self._k).numpy()
        found = [
            len(np.intersect1d(row, wanted)) / min(self._k, len(wanted))
            for row, wanted in zip(proposed, np.split(self._targets, self._ptr[1:-1]), strict=False)
        ]
        recall = round(float(np.mean(found)), 5)
        if self._device is None or self._device.replicas == 1:
            return recall
        return as_the_chief(recall, self._device.strategy)
