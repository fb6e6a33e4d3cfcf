"""The best of many scores: exact, by a threshold from group maxima, so that most scores are read once and never moved.

The k-th largest of the groups' maxima is a bound that at least k scores reach. Only groups whose maximum reaches it are
looked at again, and the few scores above it are sorted. `argpartition` moves every score several times instead.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numba import njit
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from models.interface import Floats, Ints

Span = NDArray[np.int64]
GROUP = 64
"""Scores a group: 256 bytes, four cache lines."""
QUERIES = 64
"""Queries of one matrix product in `search`: their scores still lie in the cache when they are selected from."""


def best(scores: Floats, count: int) -> tuple[Ints, Floats]:
    """The best items of each row, best first, ties by item.

    Args:
        scores: float32 `[rows, items]`, minus infinity where an item is not proposed, never NaN.

    Returns:
        Items, int32 `[rows, count]`, -1 where fewer were proposed, and their scores, there minus infinity.
    """
    found, value = np.empty((len(scores), count), np.int32), np.empty((len(scores), count), np.float32)
    _select(np.ascontiguousarray(scores), found, value)
    return found, value


def search(
    queries: Floats, items: Floats, count: int, *, but: tuple[Span, Ints] | None = None, threads: int = 1
) -> tuple[Ints, Floats]:
    """The items with the largest inner products, exactly.

    Args:
        queries: float32 `[rows, dim]`.
        items: float32 `[items, dim]`.
        but: items to leave out, those of query q being `but[1][but[0][q]:but[0][q + 1]]`.
        threads: workers, each with a part of the queries and a matrix product of its own on one core.

    Returns:
        Items, int32 `[rows, k]` with k = min(count, items), best first, ties by item, -1 where all others are left out;
        and their products.
    """
    found = np.empty((len(queries), min(count, len(items))), np.int32)
    value = np.empty(found.shape, np.float32)

    def work(part: slice) -> None:
        scores = np.empty((QUERIES, len(items)), np.float32)
        for start in range(part.start, part.stop, QUERIES):
            stop = min(start + QUERIES, part.stop)
            block = np.matmul(queries[start:stop], items.T, out=scores[: stop - start])
            if but is not None:
                owner = np.repeat(np.arange(stop - start), np.diff(but[0][start : stop + 1]))
                block[owner, but[1][but[0][start] : but[0][stop]]] = -np.inf
            _select(block, found[start:stop], value[start:stop])

    if threads == 1:
        work(slice(0, len(queries)))
    else:
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, _parts(len(queries), threads)))
    return found, value


def _parts(size: int, count: int) -> Iterator[slice]:
    edges = np.linspace(0, size, count + 1).astype(int).tolist()
    return (slice(start, stop) for start, stop in pairwise(edges))


def _select(scores: Floats, found: Ints, value: Floats) -> None:
    """Fill `found` and `value` `[rows, k]` from `scores` `[rows, items]`."""
    groups, k = -(-scores.shape[1] // GROUP), found.shape[1]
    maxima = np.empty((len(scores), groups), np.float32)
    _group_maxima(scores, maxima)
    bound = np.full(len(scores), -np.inf, np.float32)
    if 0 < k < groups:
        bound = np.partition(maxima, groups - k, axis=1)[:, groups - k]
    _collect(scores, maxima, bound, found, value)


@njit(nogil=True, cache=True, fastmath={"nnan", "nsz", "reassoc"})
def _group_maxima(scores, maxima):  # type: ignore[no-untyped-def]
    for row in range(scores.shape[0]):
        for group in range(maxima.shape[1]):
            most = scores[row, group * GROUP]
            for item in range(group * GROUP, min((group + 1) * GROUP, scores.shape[1])):
                most = max(most, scores[row, item])
            maxima[row, group] = most


@njit(nogil=True, cache=True)
def _collect(scores, maxima, bounds, best, value):  # type: ignore[no-untyped-def]
    """Insertion into the k best so far; `bound` rises with the last of them."""
    k = best.shape[1]
    for row in range(scores.shape[0] if k else 0):
        bound, size = bounds[row], 0
        for group in range(maxima.shape[1]):
            if maxima[row, group] < bound:
                continue
            for item in range(group * GROUP, min((group + 1) * GROUP, scores.shape[1])):
                score = scores[row, item]
                if score < bound or score == -np.inf or (size == k and score <= value[row, k - 1]):
                    continue
                place = size if size < k else k - 1
                while place > 0 and value[row, place - 1] < score:
                    value[row, place], best[row, place] = value[row, place - 1], best[row, place - 1]
                    place -= 1
                value[row, place], best[row, place] = score, item
                size = min(size + 1, k)
        best[row, size:] = -1
        value[row, size:] = -np.inf
