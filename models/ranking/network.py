"""The trained Wide & Deep as plain matrix products: no TensorFlow where lists are made.

The first layers of the deep networks are one matrix. What the item's embedding adds to it is the same for every
shopper, so each embedding is multiplied once, when the network is laid out, and then only looked up.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.interface import Floats
from models.ranking.features import NAMES, Pairs

Arrays = Mapping[str, NDArray[Any]]
CHUNK = 1024
"""Pairs at once: what their layers hold still lies in a core's cache."""


class Network:
    """A ranker's arrays, laid out for scoring; immutable and safe to share between threads.

    Args:
        arrays: what `wide_deep.fit` returned.
    """

    def __init__(self, arrays: Arrays) -> None:
        kernels = [arrays[f"kernel_{layer}"] for layer in range(sum(name.startswith("kernel_") for name in arrays))]
        biases = [arrays[f"bias_{layer}"] for layer in range(len(kernels))]
        self._networks, dense = len(biases[0]), len(NAMES)
        first = np.concatenate(list(kernels[0]), axis=1).astype(np.float32)
        self._first = np.ascontiguousarray(first[:dense])
        # A network without hidden layers has its only layer here.
        self._bias = np.concatenate(list(biases[0])).astype(np.float32)
        of_item = np.ascontiguousarray(arrays["item_table"] @ first[dense:], np.float32)
        self._of_item = of_item if of_item.any() else None
        self._later = [
            (np.ascontiguousarray(kernel, np.float32), np.ascontiguousarray(bias.ravel(), np.float32))
            for kernel, bias in zip(kernels[1:], biases[1:], strict=True)
        ]
        self._wide = np.ascontiguousarray(arrays["wide_table"], np.float32)

    def scores(self, pairs: Pairs) -> Floats:
        """float32 `[pairs]`.

        Args:
            pairs: `dense` holds normal scores.
        """
        out = np.empty(len(pairs.dense), np.float32)
        # Layers of all networks, side by side.
        widths = [self._first.shape[1], *(kernel.shape[0] * kernel.shape[2] for kernel, _ in self._later)]
        layers = [np.empty((CHUNK, width), np.float32) for width in widths]
        for start in range(0, len(out), CHUNK):
            part = slice(start, min(start + CHUNK, len(out)))
            before = np.matmul(pairs.dense[part], self._first, out=layers[0][: part.stop - start])
            if self._of_item is not None:
                _add_of_item(before, self._of_item, pairs.item[part])
            _bend(before, self._bias, len(self._later) > 0)
            for number, (kernel, bias) in enumerate(self._later):
                networks, width, wider = kernel.shape
                after = layers[number + 1][: part.stop - start]
                for each in range(networks):
                    mine = before[:, each * width : (each + 1) * width]
                    np.matmul(mine, kernel[each], out=after[:, each * wider : (each + 1) * wider])
                _bend(after, bias, number < len(self._later) - 1)
                before = after
            out[part] = before.mean(axis=1)
        _add_wide(out, self._wide, pairs.wide)
        return out


@njit(nogil=True, cache=True, fastmath={"nnan", "nsz"})
def _bend(layer, bias, cut):  # type: ignore[no-untyped-def]
    """Add the bias and cut off below zero, where another layer follows."""
    for pair in range(len(layer)):
        for unit in range(layer.shape[1]):
            value = layer[pair, unit] + bias[unit]
            layer[pair, unit] = max(value, np.float32(0.0)) if cut else value


@njit(nogil=True, cache=True)
def _add_of_item(layer, of_item, item):  # type: ignore[no-untyped-def]
    for pair in range(len(layer)):
        brought = of_item[item[pair] % len(of_item)]
        for unit in range(layer.shape[1]):
            layer[pair, unit] += brought[unit]


@njit(nogil=True, cache=True)
def _add_wide(out, table, wide):  # type: ignore[no-untyped-def]
    buckets = table.shape[1]
    for pair in range(len(out)):
        for cross in range(table.shape[0]):
            out[pair] += table[cross, wide[pair, cross] % buckets]
