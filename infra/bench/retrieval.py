"""Exact top-100 by inner product: `models.candidates.selection.search` against faiss and the bare matrix product."""

import os
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from infra.bench.figures import Figure, in_turns, stopwatch
from models.candidates import approximate
from models.candidates.approximate import Approximate
from models.candidates.selection import search
from models.interface import Floats

USERS, ITEMS, DIM, COUNT = 200_000, 25_000, 64, 100
LARGE = 200_000
SHARE = 10
"""One in so many users is searched a run: the speed is the same, and five runs of three methods stay within minutes."""


def measure(runs: int) -> list[Figure]:
    """Users a second, all cores."""
    import faiss

    threads = len(os.sched_getaffinity(0))
    rng = np.random.default_rng(1)
    items, queries = (rng.normal(size=(size, DIM)).astype(np.float32) for size in (ITEMS, USERS // SHARE))
    index = faiss.IndexFlatIP(DIM)
    index.add(items)
    faiss.omp_set_num_threads(threads)
    found = search(queries[:500], items, COUNT)[0]
    agree = float((found == index.search(queries[:500], COUNT)[1]).mean())

    ours, flat, product = in_turns(
        runs,
        _rate(len(queries), lambda: search(queries, items, COUNT, threads=threads)),
        _rate(len(queries), lambda: index.search(queries, COUNT)),
        _rate(len(queries), lambda: _products(queries, items, threads)),
    )
    shape = {"users": len(queries), "items": ITEMS, "dim": DIM, "count": COUNT, "threads": threads, "same_items": agree}
    return [
        Figure(
            *("retrieval", "users/s", ours, flat, "faiss IndexFlatIP"),
            bar=0.9,
            floor=f"The matrix product alone is 2 x {ITEMS:,} x {DIM} FLOP a user; the rest is a pass over the scores "
            "for the groups' maxima and a look into the groups that reach the bound.",
            details=shape,
        ),
        Figure("retrieval, of its floor", "users/s", ours, product, "the matrix product alone", details=shape),
        _approximate(runs, threads),
    ]


def _approximate(runs: int, threads: int) -> Figure:
    """Exact against approximate at the size from which the sources search approximately."""
    items, queries = (_catalogue(size, seed) for size, seed in ((LARGE, 1), (1_000, 2)))
    with stopwatch() as building:
        index = Approximate.of(items, queries[: approximate.SAMPLE], COUNT)
    assert index is not None

    ours, exact = in_turns(
        runs,
        _rate(len(queries), lambda: index.search(queries, COUNT)),
        _rate(len(queries), lambda: search(queries, items, COUNT, threads=threads)),
    )
    return Figure(
        *(f"retrieval among {LARGE:,}, approximate", "users/s", ours, exact, "exact"),
        floor="An index costs seconds to build, which some ten thousand users pay back; below some 100,000 items the "
        "other sources take longer than an exact search.",
        details={
            "recall": round(index.recall, 4),
            "cells": index.cells,
            "of_cells": index.of_cells,
            "build_seconds": round(building(), 1),
        },
    )


def _catalogue(size: int, seed: int) -> Floats:
    """Unit vectors around five hundred tastes."""
    rng, tastes = np.random.default_rng(seed), np.random.default_rng(0).normal(size=(500, DIM))
    found = tastes[rng.integers(0, len(tastes), size)] + 0.7 * rng.normal(size=(size, DIM))
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def _rate(count: int, work: Callable[[], object]) -> Callable[[], float]:
    def timed() -> float:
        with stopwatch() as seconds:
            work()
        return count / seconds()

    return timed


def _products(queries: Floats, items: Floats, threads: int, rows: int = 512) -> None:
    """The scores alone, each block written over the one before."""
    out = np.empty((rows, len(items)), np.float32)
    with threadpool_limits(threads, "blas"):
        for start in range(0, len(queries), rows):
            part = queries[start : start + rows]
            np.matmul(part, items.T, out=out[: len(part)])
