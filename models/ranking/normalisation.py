"""Features on the scale that a network likes: each by its rank among the training's values, as a normal score.

A log of a shop has features of any shape: shares near zero, counts with long tails, ages with two humps. Mean and
spread say little of such, and a rare large value drowns the rest; ranks do not care (rankit, Bliss 1967). Between the
kept quantiles the scale is linear, beyond them flat.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.interface import Floats
from models.ranking import kernels

Arrays = Mapping[str, NDArray[Any]]
KNOTS = 65
"""Quantiles kept of each feature."""
FARTHEST = 0.005
"""The smallest and largest values are scored as this quantile and its opposite: about -2.6 and 2.6."""
MOST_ROWS = 200_000


def learn(dense: Floats, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Knots of each feature.

    Args:
        dense: float32 `[rows, features]`, at least one row.

    Returns:
        `at` and `score`, float32 `[features, KNOTS]`, ascending; a feature that is constant scores 0.
    """
    from scipy.special import ndtri

    if len(dense) > MOST_ROWS:
        dense = dense[np.random.default_rng(seed).choice(len(dense), MOST_ROWS, replace=False)]
    grid = np.linspace(0.0, 1.0, KNOTS)
    scores = ndtri(np.clip(grid, FARTHEST, 1.0 - FARTHEST))
    at, score = (np.zeros((dense.shape[1], KNOTS), np.float32) for _ in range(2))
    for feature, column in enumerate(dense.T):
        # Values that stand at several quantiles have the mean of their scores.
        values, place = np.unique(np.quantile(column, grid, method="nearest"), return_inverse=True)
        means = np.bincount(place, scores) / np.bincount(place)
        at[feature], score[feature] = values[-1], means[-1] if len(values) > 1 else 0.0
        if len(values) > 1:
            at[feature, : len(values)], score[feature, : len(values)] = values, means
    return {"at": at, "score": score}


def apply(arrays: Arrays, dense: Floats, which: slice = slice(None)) -> Floats:
    """Normal scores, float32 `[rows, features]`, of features as `learn` saw them.

    Args:
        which: the features that the columns of `dense` are.
    """
    out = np.empty(dense.shape, np.float32)
    kernels.scale(*knots(arrays, which), np.ascontiguousarray(dense, np.float32), out)
    return out


def knots(arrays: Arrays, which: slice = slice(None)) -> tuple[Floats, Floats, Floats]:
    """What `kernels` want of some features: `at`, `score` and the slope behind each knot, `[features, KNOTS]`."""
    at, score = arrays["at"][which], arrays["score"][which]
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.diff(score, axis=1, append=score[:, -1:]) / np.diff(at, axis=1, append=at[:, -1:])
    return at, score, np.where(np.isfinite(slope), slope, 0.0).astype(np.float32)
