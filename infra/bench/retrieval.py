"""Exact top-100 by inner product: `models.candidates.selection.search` against faiss and the bare matrix product."""

import os
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from infra.bench.figures import Figure, in_turns, stopwatch
from models.candidates.selection import search
from models.interface import Floats

USERS, ITEMS, DIM, COUNT = 200_000, 25_000, 64, 100
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

    def rate(work: Callable[[], object]) -> Callable[[], float]:
        def timed() -> float:
            with stopwatch() as seconds:
                work()
            return len(queries) / seconds()

        return timed

    ours, flat, product = in_turns(
        runs,
        rate(lambda: search(queries, items, COUNT, threads=threads)),
        rate(lambda: index.search(queries, COUNT)),
        rate(lambda: _products(queries, items, threads)),
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
    ]


def _products(queries: Floats, items: Floats, threads: int, rows: int = 512) -> None:
    """The scores alone, each block written over the one before."""
    out = np.empty((rows, len(items)), np.float32)
    with threadpool_limits(threads, "blas"):
        for start in range(0, len(queries), rows):
            part = queries[start : start + rows]
            np.matmul(part, items.T, out=out[: len(part)])
