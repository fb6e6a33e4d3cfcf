"""Metrics against hand-computed cases, slow definitions and known bounds."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import metrics

LISTS = np.array([[3, 1, 2, 0], [0, 4, -1, -1], [2, 3, 4, 1]])
TRUTH_USER = np.array([0, 0, 1, 0, 2])
TRUTH_ITEM = np.array([1, 5, 4, 1, 0])  # the pair (0, 1) stands twice


def test_hits_and_sizes_by_hand() -> None:
    hit = metrics.hits(LISTS, TRUTH_USER, TRUTH_ITEM)
    assert hit.tolist() == [[False, True, False, False], [False, True, False, False], [False] * 4]
    assert metrics.truth_sizes(3, TRUTH_USER, TRUTH_ITEM).tolist() == [2, 1, 1]


def test_metrics_by_hand() -> None:
    hit = metrics.hits(LISTS, TRUTH_USER, TRUTH_ITEM)
    sizes = metrics.truth_sizes(3, TRUTH_USER, TRUTH_ITEM)
    second = 1 / math.log2(3)
    assert metrics.recall(hit, sizes, 4) == pytest.approx([0.5, 1.0, 0.0])
    assert metrics.recall(hit, sizes, 1) == pytest.approx([0.0, 0.0, 0.0])
    assert metrics.ndcg(hit, sizes, 4) == pytest.approx([second / (1 + second), second, 0.0])
    assert metrics.ndcg(hit, sizes, 20) == pytest.approx([second / (1 + second), second, 0.0])
    assert metrics.mrr(hit, 4) == pytest.approx([0.5, 0.5, 0.0])
    assert metrics.hit_rate(hit, 4).tolist() == [1.0, 1.0, 0.0]
    assert metrics.coverage(LISTS, 8, 2) == pytest.approx(5 / 8)


def test_a_user_without_truth_is_not_judged() -> None:
    sizes = np.array([0, 1])
    hit = np.array([[False], [True]])
    for values in (metrics.recall(hit, sizes, 1), metrics.ndcg(hit, sizes, 1)):
        assert math.isnan(values[0])
        assert values[1] == 1.0
        assert metrics.bootstrap(values).users == 1


def test_a_perfect_list_scores_one_even_if_the_truth_is_longer_than_k() -> None:
    lists = np.arange(5)[None, :]
    users, items = np.zeros(9, int), np.arange(9)
    hit, sizes = metrics.hits(lists, users, items), metrics.truth_sizes(1, users, items)
    assert metrics.recall(hit, sizes, 5) == pytest.approx([1.0])
    assert metrics.ndcg(hit, sizes, 5) == pytest.approx([1.0])


def test_auc_by_hand() -> None:
    label = np.array([1, 0, 1, 0, 0], bool)
    assert metrics.auc(label, np.array([0.9, 0.1, 0.5, 0.5, 0.7])) == pytest.approx((3 + 1.5) / 6)
    assert math.isnan(metrics.auc(np.ones(3, bool), np.arange(3.0)))
    with pytest.raises(ValueError, match="NaN"):
        metrics.auc(label, np.array([0.9, np.nan, 0.5, 0.5, 0.7]))


pairs = st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 6)), min_size=1, max_size=60)


@given(pairs)
@settings(max_examples=150, deadline=None)
def test_auc_by_group_is_the_share_of_ordered_pairs(rows: list[tuple[int, bool, int]]) -> None:
    group, label, score = (np.array(column) for column in zip(*rows, strict=True))
    names, values = metrics.auc_by_group(group, label, score.astype(float))
    expected = {}
    for g in np.unique(group):
        p, n = score[(group == g) & label], score[(group == g) & ~label]
        if len(p) and len(n):
            expected[int(g)] = np.mean((p[:, None] > n) + 0.5 * (p[:, None] == n))
    assert dict(zip(names.tolist(), values.tolist(), strict=True)) == pytest.approx(expected)


@given(pairs, st.randoms())
@settings(max_examples=50, deadline=None)
def test_auc_does_not_depend_on_row_order(rows: list[tuple[int, bool, int]], random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    results = []
    for some in (rows, shuffled):
        group, label, score = (np.array(column) for column in zip(*some, strict=True))
        results.append(metrics.auc_by_group(group, label, score.astype(float))[1])
    np.testing.assert_allclose(*results)


@given(st.integers(1, 6), st.integers(1, 8), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_metrics_stay_between_zero_and_one_and_grow_with_the_truth_found(users: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lists = np.stack([rng.permutation(12)[:k] for _ in range(users)])
    truth_user, truth_item = rng.integers(0, users, 20), rng.integers(0, 12, 20)
    hit, sizes = metrics.hits(lists, truth_user, truth_item), metrics.truth_sizes(users, truth_user, truth_item)
    for values in (metrics.recall(hit, sizes, k), metrics.ndcg(hit, sizes, k)):
        judged = values[sizes > 0]
        assert ((judged >= 0) & (judged <= 1 + 1e-12)).all()
        assert ((judged > 0) == hit[sizes > 0].any(1)).all()


def test_bootstrap_covers_a_known_mean_and_is_repeatable() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(100):
        estimate = metrics.bootstrap(rng.normal(0.3, 1.0, 200), rounds=300, seed=trial)
        covered += estimate.low <= 0.3 <= estimate.high
    assert covered >= 87  # 95 expected; below 87 has a chance of 1e-3
    values = rng.random(50)
    assert metrics.bootstrap(values, seed=4) == metrics.bootstrap(values, seed=4)


def test_pairing_sees_a_difference_that_separate_intervals_hide() -> None:
    rng = np.random.default_rng(2)
    base = rng.random(300)
    better = base + 0.01 + rng.normal(0, 0.01, 300)
    assert metrics.bootstrap(better).low < metrics.bootstrap(base).high
    assert metrics.paired_difference(better, base).low > 0
    ratio = metrics.paired_ratio(better, base)
    assert ratio.low > 1
    assert ratio.mean == pytest.approx(better.mean() / base.mean())
    with pytest.raises(ValueError, match="same users"):
        metrics.paired_difference(better, base[:10])


def test_nothing_to_judge_is_said_as_nan() -> None:
    assert metrics.bootstrap(np.array([np.nan])).users == 0
    assert math.isnan(metrics.paired_ratio(np.array([1.0]), np.array([0.0])).mean)


@given(st.integers(1, 6), st.integers(1, 8), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_places_say_where_the_hits_are(users: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lists = np.stack([rng.permutation(12)[:k] for _ in range(users)])
    lists[rng.random(lists.shape) < 0.2] = metrics.PAD
    pairs = np.unique(np.stack([rng.integers(0, users, 20), rng.integers(0, 14, 20)]), axis=1)
    place = metrics.places(lists, *pairs)
    found = place >= 0
    assert (lists[pairs[0][found], place[found]] == pairs[1][found]).all()
    again = np.zeros(lists.shape, bool)
    again[pairs[0][found], place[found]] = True
    np.testing.assert_array_equal(again, metrics.hits(lists, *pairs))


def test_rows_of_one_shopper_are_drawn_together() -> None:
    """Each shopper's row three times over says no more than once; drawn as rows it would seem to."""
    values = np.random.default_rng(5).random(80)
    thrice, shopper = np.tile(values, 3), np.tile(np.arange(80), 3)
    once, together = metrics.bootstrap(values), metrics.bootstrap(thrice, groups=shopper)
    assert together.interval == pytest.approx(once.interval)
    assert together.users == 240
    apart = metrics.bootstrap(thrice)
    assert apart.high - apart.low < 0.7 * (once.high - once.low)
    ratio = metrics.paired_ratio(thrice, np.tile(values**2, 3), groups=shopper)
    assert ratio.interval == pytest.approx(metrics.paired_ratio(values, values**2).interval)
