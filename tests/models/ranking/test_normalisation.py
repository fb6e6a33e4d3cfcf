"""Normal scores: order kept, shapes forgotten, ties in the middle, nothing beyond the ends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ranking import normalisation


def test_whatever_the_shape_scores_are_normal_and_in_order() -> None:
    rng = np.random.default_rng(0)
    dense = np.stack([rng.normal(size=5000), np.exp(3 * rng.normal(size=5000)), rng.random(5000)], axis=1)
    dense = dense.astype(np.float32)
    scaled = normalisation.apply(normalisation.learn(dense), dense)
    for column in range(3):
        order = np.argsort(dense[:, column])
        assert (np.diff(scaled[order, column]) >= 0).all()
    assert np.abs(scaled.mean(axis=0)).max() < 0.02
    assert scaled.std(axis=0) == pytest.approx([0.98] * 3, abs=0.03)


def test_mostly_zero_is_told_from_what_is_not_and_a_constant_says_nothing() -> None:
    dense = np.zeros((1000, 2), np.float32)
    dense[900:, 0] = np.linspace(1, 2, 100)
    dense[:, 1] = 7.0
    arrays = normalisation.learn(dense)
    scaled = normalisation.apply(arrays, dense)
    assert len(set(scaled[:900, 0])) == 1
    assert scaled[0, 0] < 0 < scaled[900:, 0].min()
    assert not scaled[:, 1].any()
    assert not normalisation.apply(arrays, dense + 5)[:, 1].any()


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=30), st.floats(width=32, allow_nan=False))
def test_scores_stay_within_bounds_for_any_values(values: list[float], asked: float) -> None:
    arrays = normalisation.learn(np.array(values, np.float32)[:, None])
    assert abs(normalisation.apply(arrays, np.array([[asked]], np.float32))[0, 0]) < 2.6
