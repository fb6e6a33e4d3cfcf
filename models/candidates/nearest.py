"""The item of a shopper's history that lies closest to a proposed one: what a vector model's reason rests on."""

import numpy as np
from numpy.typing import NDArray

from models.candidates.history import History
from models.interface import Floats, Ints

CHUNK = 20_000
"""Pairs at once; each has as many comparisons as its shopper has items."""


def nearest_of_history(history: History, vectors: Floats, rows: Ints, items: Ints) -> Ints:
    """For each pair the item of the user's history with the largest cosine to the item, int32, -1 without a history.

    Args:
        vectors: `[items, dim]`.
        rows, items: `[pairs]`.
    """
    length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    unit = vectors / np.maximum(length, 1e-9)[:, None]
    best = np.full(len(rows), -1, np.int32)
    for start in range(0, len(rows), CHUNK):
        pair, at = history.spans(rows[start : start + CHUNK])
        past = history.item[at]
        near = np.einsum("ij,ij->i", unit[past], unit[items[start + pair]])
        first = first_largest(pair, near)
        best[start + pair[first]] = past[first]
    return best


def first_largest(group: NDArray[np.int64], value: Floats) -> NDArray[np.int64]:
    """Position of the largest value of each group, groups ascending; of equal ones the first."""
    order = np.lexsort((np.arange(len(group)), -value, group))
    return order[np.unique(group[order], return_index=True)[1]]
