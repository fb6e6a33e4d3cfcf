"""Approximate search: good enough by its own measurement, or not used; the touched stay out."""

import numpy as np
import pytest

from models.candidates import approximate, selection
from models.candidates.approximate import Approximate
from models.candidates.signals import Factors, Touched
from models.interface import Floats

ITEMS, QUERIES, DIM = 6_000, 300, 16


def vectors(size: int, seed: int, spread: float) -> Floats:
    """Around forty tastes, as a catalogue's lie; a large spread leaves nothing of them."""
    rng = np.random.default_rng(seed)
    tastes = np.random.default_rng(0).normal(size=(40, DIM))
    found = tastes[rng.integers(0, len(tastes), size)] + spread * rng.normal(size=(size, DIM))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def items() -> Floats:
    return vectors(ITEMS, 1, 0.3)


def test_an_index_says_its_recall_and_has_it(items: Floats) -> None:
    index = Approximate.of(items, vectors(approximate.SAMPLE, 2, 0.3), 100)
    assert index is not None
    assert index.recall >= approximate.RECALL
    assert index.cells < index.of_cells * approximate.MOST_CELLS
    others = vectors(QUERIES, 3, 0.3)
    exact, _ = selection.search(others, items, 100)
    found, _ = index.search(others, 100)
    recall = np.mean([len(np.intersect1d(a, b)) / 100 for a, b in zip(found, exact, strict=True)])
    assert recall > approximate.RECALL - 0.02


def test_where_vectors_have_no_order_the_search_stays_exact(caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(4)
    noise = rng.normal(size=(ITEMS, 64)).astype(np.float32)
    assert Approximate.of(noise, rng.normal(size=(50, 64)).astype(np.float32), 100) is None
    assert "exact" in caplog.text
    assert Approximate.of(noise, noise[:0], 100) is None


def test_what_was_touched_is_left_out_and_the_next_best_come_in(items: Floats) -> None:
    queries = vectors(QUERIES, 3, 0.3)
    index = Approximate.of(items, queries, 100)
    known = np.ones(QUERIES, np.bool_)
    exact, best, _ = (Factors(queries, items, known), *Factors(queries, items, known).top(20, Touched.nothing(QUERIES)))
    touched = Touched(np.arange(0, 5 * QUERIES + 1, 5), best[:, :5].ravel())
    found, value = Factors(queries, items, known, index=index).top(10, touched)
    wanted, _ = exact.top(10, touched)
    assert (found == wanted).mean() > 0.95
    assert not any(np.isin(found[row], best[row, :5]).any() for row in range(QUERIES))
    assert (np.diff(value, axis=1) <= 0).all()
