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
CHUNK = 2048
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
        self._of_item = np.ascontiguousarray(arrays["item_table"] @ first[dense:], np.float32)
        self._later = [
            (np.ascontiguousarray(kernel, np.float32), np.ascontiguousarray(bias, np.float32))
            for kernel, bias in zip(kernels[1:], biases[1:], strict=True)
        ]
        self._wide = np.ascontiguousarray(arrays["wide_table"], np.float32)

    def scores(self, pairs: Pairs) -> Floats:
        """float32 `[pairs]`.

        Args:
            pairs: `dense` holds normal scores.
        """
        out = np.empty(len(pairs.dense), np.float32)
        buffer = np.empty((CHUNK, self._first.shape[1]), np.float32)
        for start in range(0, len(out), CHUNK):
            part = slice(start, min(start + CHUNK, len(out)))
            hidden = np.matmul(pairs.dense[part], self._first, out=buffer[: part.stop - start])
            _add(hidden, self._bias, self._of_item, pairs.item[part], len(self._later) > 0)
            for number, (kernel, bias) in enumerate(self._later):
                hidden = self._layer(hidden, kernel, bias, last=number == len(self._later) - 1)
            out[part] = hidden.mean(axis=1)
        _add_wide(out, self._wide, pairs.wide)
        return out

    def _layer(self, hidden: Floats, kernel: Floats, bias: Floats, *, last: bool) -> Floats:
        """One layer of all networks, side by side: `[pairs, networks * width]`."""
        networks, width, wider = kernel.shape
        found = np.empty((len(hidden), networks * wider), np.float32)
        for number in range(networks):
            mine = hidden[:, number * width : (number + 1) * width]
            np.matmul(mine, kernel[number], out=found[:, number * wider : (number + 1) * wider])
        found += bias.ravel()
        return found if last else np.maximum(found, 0.0, out=found)


@njit(nogil=True, cache=True, fastmath={"nnan", "nsz"})
def _add(hidden, bias, of_item, item, bent):  # type: ignore[no-untyped-def]
    """Add bias and what the item brings, and cut off below zero where another layer follows."""
    for pair in range(len(hidden)):
        brought = of_item[item[pair] % len(of_item)]
        for unit in range(hidden.shape[1]):
            value = hidden[pair, unit] + bias[unit] + brought[unit]
            hidden[pair, unit] = max(value, np.float32(0.0)) if bent else value


@njit(nogil=True, cache=True)
def _add_wide(out, table, wide):  # type: ignore[no-untyped-def]
    buckets = table.shape[1]
    for pair in range(len(out)):
        for cross in range(table.shape[0]):
            out[pair] += table[cross, wide[pair, cross] % buckets]
