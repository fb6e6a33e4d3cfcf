"""Compiled loops that bring features to the network's scale.

They stand in one module, since the cache of compiled code does not notice a change of a function in another one.
"""

import numpy as np
from numba import njit


@njit(nogil=True, cache=True, inline="always")
def interpolated(at, score, slope, value):  # type: ignore[no-untyped-def]
    """One value between 65 knots, as `np.interp`; without a branch, since any would be as likely as not."""
    value = min(max(value, at[0]), at[len(at) - 1])
    low = np.int64(0)
    for step in (32, 16, 8, 4, 2, 1):
        low += step * np.int64(value >= at[low + step])
    return score[low] + slope[low] * (value - at[low])


@njit(nogil=True, cache=True)
def scale(at, score, slope, dense, out):  # type: ignore[no-untyped-def]
    """All features of all rows, each between its own knots."""
    for row in range(dense.shape[0]):
        for feature in range(dense.shape[1]):
            out[row, feature] = interpolated(at[feature], score[feature], slope[feature], dense[row, feature])


@njit(nogil=True, cache=True)
def signals(values, best, batch, dense, knots, scaled):  # type: ignore[no-untyped-def]
    """Each signal as it is and relative to the user's best; 0 where it says nothing."""
    at, score, slope = knots
    for pair in range(len(batch)):
        for signal in range(len(values)):
            value = values[signal, pair]
            value = value if np.isfinite(value) else np.float32(0.0)
            here = np.log1p(max(value, np.float32(-0.99)))
            relative = value / max(best[signal, batch[pair]], np.float32(1e-9))
            first, second = 2 * signal, 2 * signal + 1
            if scaled:
                here = interpolated(at[first], score[first], slope[first], here)
                relative = interpolated(at[second], score[second], slope[second], relative)
            dense[pair, first], dense[pair, second] = here, relative
