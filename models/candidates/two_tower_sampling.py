"""How often items turn up among a step's candidates, for the logQ correction. Import only after choosing legacy Keras.

A popular item is a negative more often than a rare one; the softmax over sampled candidates is right again once each
logit is lowered by the logarithm of how often its item is expected among them (Yi et al., "Sampling-bias-corrected
neural modeling for large corpus item recommendations", RecSys 2019). With items drawn evenly mixed in, that is the sum
of both ways to get there (Yang et al., "Mixed negative sampling", WWW 2020 companion).
"""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.config import TwoTowerConfig

SMOOTHING = 0.05
"""Weight of the newest interval in an item's moving average."""


def step_size(examples: int, config: TwoTowerConfig, replicas: int = 1) -> int:
    """Examples of a step, over all replicas; few examples still make at least eight steps of eight."""
    size = min(config.batch_size, max(examples // 8, 8))
    return max(size // replicas, 1) * replicas


class Frequencies(tf.keras.layers.Layer):
    """How often each item is expected among a step's targets and uniform negatives.

    From counts, it is the item's share of the examples. Streaming, it is one over the moving average of the steps
    between two occurrences (Yi et al., algorithm 2), which follows a drift and needs no pass over the data; it starts
    from what the counts imply. An item that a step holds n times ended n intervals in it: the paper, whose items are
    rare, counts one, which would hide how popular an item is as soon as every step holds it.

    Args:
        target: int32 `[examples]`, the items that examples ask for.
        items: size of the catalogue.
        replicas: among how many a step is shared out.
    """

    def __init__(self, target: NDArray[np.int32], items: int, config: TwoTowerConfig, replicas: int = 1) -> None:
        super().__init__(name="frequencies")
        counts = np.bincount(target, minlength=items) + 1.0
        expected = counts / counts.sum() * step_size(len(target), config, replicas)
        self._share = tf.constant(counts / counts.sum(), tf.float32)
        self._uniform = config.uniform_negatives / items
        self._streaming = config.log_q == "streaming"
        self.largest = float(expected.max()) + self._uniform
        if self._streaming:
            # Every replica observes the targets of all of them, so the first one's view is everybody's.
            def variable(name: str, start: Any, dtype: str) -> tf.Variable:
                first = tf.VariableAggregation.ONLY_FIRST_REPLICA
                constant = tf.keras.initializers.Constant(start)
                return self.add_weight(name, np.shape(start), dtype, constant, trainable=False, aggregation=first)

            self.interval = variable("interval", 1.0 / expected, "float32")
            # Waiting times have no memory: counted from step 0, the first one is as long as any other.
            self.last = variable("last", np.zeros(items), "float32")
            self.step = variable("step", 0.0, "float32")

    def observe(self, targets: tf.Tensor) -> None:
        """Take note of a step's targets, int `[n]`; does nothing where frequencies come from counts."""
        if not self._streaming:
            return
        step = self.step.assign_add(1.0)
        item, _, times = tf.unique_with_counts(targets)
        waited = (step - tf.gather(self.last, item)) / tf.cast(times, tf.float32)
        interval = (1.0 - SMOOTHING) * tf.gather(self.interval, item) + SMOOTHING * waited
        self.interval.scatter_update(tf.IndexedSlices(interval, item))
        self.last.scatter_update(tf.IndexedSlices(tf.repeat(step, tf.size(item)), item))

    def expected(self, items: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """Occurrences of items (int `[n]`) to be expected in a step with so many targets, float32 `[n]`."""
        if self._streaming:
            return 1.0 / tf.gather(self.interval, items) + self._uniform
        return tf.gather(self._share, items) * tf.cast(tf.size(targets), tf.float32) + self._uniform
