"""Chance without state: the same question always gets the same answer, whatever was asked before.

That is what makes a day of the shop independent of the range it was generated in. Facts about a shopper or an item
are hashes of (seed, purpose, counters); only what happens within one day uses a generator, seeded by that day.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014); arithmetic modulo 2**64 is meant."""
    state = (state ^ (state >> np.uint64(30))) * _MIX_1
    state = (state ^ (state >> np.uint64(27))) * _MIX_2
    return state ^ (state >> np.uint64(31))


def uniform(seed: int, purpose: str, *counters: ArrayLike) -> Floats:
    """Numbers in (0, 1), one for each broadcast combination of the counters (integers, negative ones too)."""
    shape = np.broadcast_shapes(*(np.shape(counter) for counter in counters))
    start = (seed * 0x1_0000_0001 + crc32(purpose.encode())) % 2**64
    state = np.full(shape or (1,), start, dtype=np.uint64)
    with np.errstate(over="ignore"):
        state = _mix(state + _GOLDEN)
        for counter in counters:
            state = _mix(state ^ (np.asarray(counter, dtype=np.int64).astype(np.uint64) * _GOLDEN + _MIX_1))
    numbers = ((state >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    return numbers.reshape(shape)


def normal(seed: int, purpose: str, *counters: ArrayLike) -> Floats:
    """Standard normal numbers, shaped like `uniform`."""
    result: Floats = ndtri(uniform(seed, purpose, *counters))
    return result


def choose(share: Floats, draw: Floats) -> Ints:
    """Column drawn in each row: `share` is non-negative [rows, columns] (need not sum to 1), `draw` uniform [rows]."""
    running = np.cumsum(share, axis=1)
    return np.minimum((running < (draw * running[:, -1])[:, None]).sum(axis=1), share.shape[1] - 1)


def of_day(seed: int, purpose: str, day: date) -> np.random.Generator:
    """The generator of what happens on one day."""
    return np.random.default_rng([seed, crc32(purpose.encode()), day.toordinal()])


def pick_word(words: Sequence[Any], index: int) -> Any:
    """Word at an index that may be larger than the list."""
    return words[index % len(words)]
