"""Ranking examples: what a hit counts."""

import numpy as np
import pytest

from models.ranking.examples import margin_worth

MARGIN = np.array([0.1, 0.2, 0.4, np.nan, -0.3, 4000.0], np.float32)


def test_without_a_weight_or_margins_all_hits_count_alike() -> None:
    assert margin_worth(MARGIN, 0.0).tolist() == [1.0] * 6
    assert margin_worth(np.full(3, np.nan, np.float32), 2.0).tolist() == [1.0] * 3
    assert margin_worth(np.zeros(3, np.float32), 2.0).tolist() == [1.0] * 3


def test_a_hit_counts_by_its_margin_over_the_usual_one_and_stays_a_hit() -> None:
    usual = 0.3  # the median of the four that are known and positive
    assert margin_worth(MARGIN, 1.0) == pytest.approx([0.1 / usual, 0.2 / usual, 0.4 / usual, 1.0, 0.1, 10.0])
    assert margin_worth(MARGIN, 2.0)[2] == pytest.approx((0.4 / usual) ** 2)
