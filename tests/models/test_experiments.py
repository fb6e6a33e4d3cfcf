"""The statistics of an experiment: against scipy, against planted effects, and against nothing at all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from models.experiment_analysis import Bounds, summary
from models.experiments import (
    CUPED,
    METRICS,
    compare,
    cuped,
    estimate,
    figures,
    holm,
    sample_ratio,
)
from storefront.contract import CONTROL
from tests.models.planted_experiment import EXPERIMENT, shoppers

SHARES = {CONTROL: 0.5, "treatment": 0.5}


def held(result: dict, metric: str) -> dict:
    (found,) = (each for each in result["comparisons"] if each["metric"] == metric)
    return found


def test_a_mean_is_that_of_the_textbook() -> None:
    values = np.random.default_rng(0).gamma(2, 3, 500)
    found = estimate(values)
    assert found.value == pytest.approx(values.mean())
    assert found.error == pytest.approx(stats.sem(values))


def test_two_means_differ_as_the_textbook_says() -> None:
    rng = np.random.default_rng(1)
    one, two = rng.gamma(2, 3, 4000), rng.gamma(2, 3.2, 3000)
    found, known = compare(estimate(two), estimate(one)), stats.ttest_ind(two, one, equal_var=False)
    assert found.p == pytest.approx(known.pvalue, rel=0.05)
    interval = known.confidence_interval()
    assert found.difference_interval == pytest.approx((interval.low, interval.high), rel=0.01)


def test_a_ratio_of_sums_has_the_interval_that_a_bootstrap_over_shoppers_has() -> None:
    users = shoppers(3000, 1.0, np.random.default_rng(2))
    top, bottom = users.columns["clicks"], users.columns["shown"]
    found = estimate(top, bottom)
    again = stats.bootstrap(
        (top, bottom), lambda a, b: a.sum() / b.sum(), paired=True, vectorized=False, n_resamples=600,
        method="percentile", rng=np.random.default_rng(3),
    )  # fmt: skip
    assert found.error == pytest.approx(again.standard_error, rel=0.1)
    naive = np.sqrt(found.value * (1 - found.value) / bottom.sum())
    assert found.error > 1.1 * naive, "a shopper's lists are alike, so counting them one by one is too sure"


@pytest.mark.parametrize("metric", [each for each in METRICS if each.name != "order_value"], ids=lambda m: m.name)
def test_nothing_is_found_where_there_is_nothing(metric) -> None:
    """A/A: in about 5 of 100 experiments without any effect p is below 0.05, and the interval misses 0."""
    rng, found, runs = np.random.default_rng(4), 0, 400
    for _ in range(runs):
        users = shoppers(600, 1.0, rng)
        columns = dict(users.columns)
        one, two = (figures(columns, [metric], users.arm == arm)[metric.name] for arm in (CONTROL, "treatment"))
        each = compare(two, one)
        low, high = each.difference_interval
        assert (each.p < 0.05) == (not low <= 0 <= high)
        found += each.p < 0.05
    # One in ten thousand that chance does this; so few shoppers make rare figures a little less sure than they say.
    low, high = stats.binom.interval(0.9999, runs, 0.05)
    assert low <= found <= high + 0.015 * runs


@pytest.mark.verify
@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)
def test_nothing_is_found_in_five_of_a_hundred_large_experiments(metric) -> None:
    rng, found, runs = np.random.default_rng(5), 0, 4000
    for _ in range(runs):
        users = shoppers(5000, 1.0, rng)
        one, two = (figures(users.columns, [metric], users.arm == arm)[metric.name] for arm in (CONTROL, "treatment"))
        found += compare(two, one).p < 0.05
    assert found / runs == pytest.approx(0.05, abs=0.015)


def test_a_planted_effect_is_found_and_the_interval_holds_it() -> None:
    users = shoppers(20_000, 1.25, np.random.default_rng(6))
    result = summary(users, EXPERIMENT, SHARES, Bounds())
    assert result["verdict"] == {"trust": True, "reasons": []}
    for metric in ("ctr", "orders_per_user", "revenue_per_user", CUPED.name):
        _, low, high = held(result, metric)["ratio"]
        assert 1 < low < 1.25 < high, metric
        assert held(result, metric)["p"] < 0.001
    for metric in ("order_value", "items_per_order"):
        _, low, high = held(result, metric)["ratio"]
        assert low < 1 < high, metric
    assert {each["state"] for each in result["guardrails"]} == {"held"}


def test_intervals_hold_the_planted_effect_as_often_as_they_say() -> None:
    rng, held_it, runs = np.random.default_rng(7), 0, 300
    for _ in range(runs):
        users = shoppers(1500, 1.25, rng)
        one, two = (figures(users.columns, METRICS[:1], users.arm == arm)["ctr"] for arm in (CONTROL, "treatment"))
        low, high = compare(two, one).ratio_interval
        held_it += low <= 1.25 <= high
    assert stats.binomtest(held_it, runs, 0.95).pvalue > 1e-4


def test_cuped_keeps_the_mean_and_takes_away_noise() -> None:
    users = shoppers(5000, 1.0, np.random.default_rng(8))
    spent, before = users.columns["revenue"], users.columns["before"]
    adjusted = cuped(spent, before)
    assert adjusted.mean() == pytest.approx(spent.mean())
    assert adjusted.var() == pytest.approx(spent.var() * (1 - np.corrcoef(spent, before)[0, 1] ** 2))
    assert np.array_equal(cuped(spent, np.zeros(5000)), spent)


def test_the_found_size_is_found_in_80_of_100() -> None:
    rng, control = np.random.default_rng(9), 2.0
    probe = compare(estimate(rng.normal(control, 1, 500)), estimate(rng.normal(control, 1, 500)), 0.1)
    found = 0
    for _ in range(400):
        arm, rest = rng.normal(control + probe.mde, 1, 500), rng.normal(control, 1, 500)
        found += compare(estimate(arm), estimate(rest)).p < 0.05
    assert found / 400 == pytest.approx(0.8, abs=0.08)
    assert probe.power == pytest.approx(stats.norm.sf(1.96 - 0.2 / np.sqrt(2 / 500)), abs=0.02)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1) | st.just(float("nan")), max_size=8))
def test_holm_never_makes_surer_and_keeps_the_order(p: list[float]) -> None:
    adjusted = holm(p)
    pairs = sorted((a, b) for a, b in zip(p, adjusted, strict=True) if a == a)
    assert all(before <= after <= 1 for before, after in pairs)
    assert [after for _, after in pairs] == sorted(after for _, after in pairs)
    assert sum(a != a for a in adjusted) == sum(a != a for a in p)


def test_holm_of_the_textbook() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_a_broken_sample_ratio_is_seen_and_a_right_one_is_not() -> None:
    assert sample_ratio({CONTROL: 5050, "treatment": 4950}, SHARES) > 0.3
    assert sample_ratio({CONTROL: 5200, "treatment": 4800}, SHARES) < 1e-4
    assert sample_ratio({CONTROL: 900, "a": 100}, {CONTROL: 0.9, "a": 0.1}) > 0.9
    assert sample_ratio({CONTROL: 10, "a": 1}, {CONTROL: 1.0, "a": 0.0}) == 0
    assert np.isnan(sample_ratio({}, SHARES))


def test_who_loses_shoppers_of_one_arm_is_not_trusted() -> None:
    users = shoppers(10_000, 1.25, np.random.default_rng(10))
    kept = (users.arm == CONTROL) | (np.random.default_rng(11).random(10_000) > 0.1)
    lame = type(users)(
        users.arm[kept], {name: values[kept] for name, values in users.columns.items()}, 0, 0, 0, True, None, []
    )
    verdict = summary(lame, EXPERIMENT, SHARES, Bounds())["verdict"]
    assert not verdict["trust"]
    assert "sample-ratio mismatch" in verdict["reasons"][0]


def test_a_loss_breaches_the_guardrail_and_few_shoppers_leave_it_open() -> None:
    lost = summary(shoppers(20_000, 0.8, np.random.default_rng(12)), EXPERIMENT, SHARES, Bounds())
    assert lost["guardrails"][0]["state"] == "breached"
    few = summary(shoppers(200, 1.0, np.random.default_rng(13)), EXPERIMENT, SHARES, Bounds())
    assert few["guardrails"][0]["state"] == "open"


def test_nobody_in_an_arm_gives_no_figures_instead_of_wrong_ones() -> None:
    nobody = compare(estimate(np.zeros(0)), estimate(np.ones(10)))
    assert np.isnan([nobody.difference, nobody.p, nobody.ratio, nobody.mde]).all()
    never = estimate(np.zeros(5), np.zeros(5))
    assert np.isnan(never.value)
