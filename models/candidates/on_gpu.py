"""Exact search among vectors on a GPU, by TensorFlow: one matrix product and `top_k` a block of queries.

The vectors stay on the device; a block of queries goes there and the best items come back, so that what crosses the bus
is 0.3 % of the scores. Used where `ACCELERATOR` allows and TensorFlow sees a GPU; else `selection.search` is as exact.
"""

from typing import Any

import numpy as np

from models.interface import Floats, Ints

SCORES_MB = 512
"""Scores on the device at a time."""


class OnGpu:
    """The vectors of a catalogue on a device.

    Args:
        items: float32 `[items, dim]`.
        device: TensorFlow's name of it; tests give the CPU's.
    """

    def __init__(self, items: Floats, device: str = "/gpu:0") -> None:
        import tensorflow as tf

        # TF32 keeps ten bits of a factor: too few to call the answer exact.
        tf.config.experimental.enable_tensor_float_32_execution(False)
        self._device, self._host = device, items
        with tf.device(device):
            self._items = tf.constant(items)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._host, self._device)  # for another process, which has a device of its own

    def search(self, queries: Floats, count: int) -> tuple[Ints, Floats]:
        """The items with the largest inner products.

        Args:
            queries: float32 `[rows, dim]`.

        Returns:
            Items, int32 `[rows, k]` with k = min(count, items), best first, ties by item; and their products.
        """
        import tensorflow as tf

        size = len(self._host)
        found = np.empty((len(queries), min(count, size)), np.int32)
        value = np.empty(found.shape, np.float32)
        block = max(int(SCORES_MB * 1e6 / (4 * max(size, 1))), 1)
        with tf.device(self._device):
            for start in range(0, len(queries), block):
                part = slice(start, start + block)
                scores = tf.matmul(tf.constant(queries[part]), self._items, transpose_b=True)
                best = tf.math.top_k(scores, found.shape[1])
                value[part], found[part] = best.values.numpy(), best.indices.numpy()
        return found, value
