"""Reliability: right probabilities pass, wrong ones show."""

import numpy as np
import pytest

from models.probability_judged import reliability


def test_right_probabilities_have_little_error_and_wrong_ones_show_where() -> None:
    rng = np.random.default_rng(0)
    chance = rng.beta(0.5, 8, 40_000).astype(np.float32)
    happened = rng.random(len(chance)) < chance
    right = reliability(chance, happened, 200)
    assert right.error < 0.005
    assert right.told == pytest.approx(right.happened, rel=0.05)
    assert right.brier < right.brier_constant
    assert sum(each.pairs for each in right.bins) == len(chance)
    assert [each.told for each in right.bins] == sorted(each.told for each in right.bins)
    bold = reliability(np.minimum(2 * chance, 1.0), happened, 200)
    assert bold.error > 10 * right.error
    assert bold.bins[-1].told > 1.5 * bold.bins[-1].happened


def test_a_constant_probability_is_one_bin_of_each_share() -> None:
    told = reliability(np.full(1000, 0.1, np.float32), np.arange(1000) % 10 == 0, 10)
    assert told.error < 0.06
    assert told.brier == pytest.approx(0.09)
