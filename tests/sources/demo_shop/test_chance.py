"""Chance without state: answers depend on the question only."""

from datetime import date

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sources.demo_shop.chance import choose, normal, of_day, uniform

numbers = st.integers(-(2**40), 2**40)


@given(st.integers(0, 2**40), st.lists(numbers, min_size=1, max_size=20), numbers)
def test_one_question_alone_or_among_others_same_answer(seed: int, counters: list[int], other: int) -> None:
    together = uniform(seed, "trait", np.array(counters), other)
    alone = [float(uniform(seed, "trait", counter, other)) for counter in counters]
    assert together.tolist() == alone
    assert ((together > 0) & (together < 1)).all()


def test_uniform_is_even_and_unrelated_to_neighbours_purposes_and_seeds() -> None:
    draw = uniform(3, "a", np.arange(20_000))
    assert np.abs(np.histogram(draw, 10, (0, 1))[0] / 2_000 - 1).max() < 0.1
    for other in (uniform(3, "b", np.arange(20_000)), uniform(4, "a", np.arange(20_000)), np.roll(draw, 1)):
        assert abs(np.corrcoef(draw, other)[0, 1]) < 0.03
    assert abs(normal(3, "n", np.arange(20_000)).std() - 1) < 0.03


def test_order_of_counters_matters() -> None:
    assert float(uniform(1, "pair", 2, 3)) != float(uniform(1, "pair", 3, 2))


def test_choose_follows_the_shares() -> None:
    share = np.tile([1.0, 0.0, 3.0], (8_000, 1))
    found = np.bincount(choose(share, uniform(0, "draw", np.arange(8_000))), minlength=3) / 8_000
    assert found[1] == 0
    assert abs(found[2] - 0.75) < 0.02


def test_days_have_generators_of_their_own() -> None:
    first, again, next_day = (of_day(1, "x", date(2026, 3, day)).random(4).tolist() for day in (1, 1, 2))
    assert first == again != next_day
