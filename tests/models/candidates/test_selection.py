"""Exact selection: the same as sorting everything, whatever lies in the scores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.candidates import selection
from models.interface import Floats, Ints


def sorted_out(scores: Floats, count: int) -> tuple[Ints, Floats]:
    """Everything sorted, as the selection promises it."""
    items = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    order = np.lexsort((items, -scores), axis=1)[:, :count]
    value = np.take_along_axis(scores, order, axis=1)
    found = np.full((len(scores), count), -1, np.int32)
    found[:, : order.shape[1]] = np.where(np.isneginf(value), -1, order)
    values = np.full((len(scores), count), -np.inf, np.float32)
    values[:, : order.shape[1]] = value
    return found, values


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 3), st.integers(0, 400), st.integers(1, 90), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_the_best_are_those_of_a_sort_with_ties_by_item(
    rows: int, items: int, count: int, kinds: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    # Few kinds of values make many ties, also at the bound.
    scores = rng.integers(0, kinds, (rows, items)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.3] = -np.inf
    found, value = selection.best(scores, count)
    wanted, values = sorted_out(scores, count)
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(value, values)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_search_finds_the_largest_products_and_leaves_out_what_it_is_told(threads: int) -> None:
    rng = np.random.default_rng(5)
    queries, items = (rng.normal(size=(size, 16)).astype(np.float32) for size in (150, 700))
    ptr = np.concatenate([[0], np.cumsum(rng.integers(0, 20, len(queries)))]).astype(np.int64)
    left_out = rng.integers(0, len(items), ptr[-1]).astype(np.int32)
    found, value = selection.search(queries, items, 30, but=(ptr, left_out), threads=threads)
    scores = queries @ items.T
    scores[np.repeat(np.arange(len(queries)), np.diff(ptr)), left_out] = -np.inf
    wanted, values = sorted_out(scores, 30)
    np.testing.assert_allclose(value, values, rtol=1e-5, atol=1e-5)
    assert (found == wanted).mean() > 0.999, "only sums that round differently may change places"
