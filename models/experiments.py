"""What an experiment did: each arm against the control, with intervals, and whether the figures can be trusted.

Shoppers are what was dealt out, so they are what is counted: every figure is a ratio of two sums over shoppers (a mean
divides by their number), and its variance that of the delta method, which allows for a shopper's many lists and orders
being alike (Deng, Knoblich, Lu, "Applying the Delta Method in Metric Analytics", KDD 2018). Intervals are of 95 %;
those of differences are of the normal law, those of ratios of the normal law of their logarithm.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]

CONFIDENCE, POWER = 0.95, 0.8
Z = float(stats.norm.ppf(0.5 + CONFIDENCE / 2))
MDE = Z + float(stats.norm.ppf(POWER))
"""Standard errors that an effect must measure to be found with a power of 80 %."""


@dataclass(frozen=True)
class Metric:
    """A figure: the sum of `top` over shoppers by that of `bottom`, both columns of the shoppers; None divides by 1."""

    name: str
    title: str
    top: str
    bottom: str | None = None


METRICS = (
    Metric("ctr", "clicks an item shown", "clicks", "shown"),
    Metric("ctr_user", "clicks an item shown, mean of shoppers", "click_rate"),
    Metric("conversion", "shoppers who bought", "buyer"),
    Metric("orders_per_user", "orders a shopper", "orders"),
    Metric("revenue_per_user", "revenue a shopper", "revenue"),
    Metric("order_value", "revenue an order", "revenue", "orders"),
    Metric("items_per_order", "pieces an order", "pieces", "orders"),
    Metric("repeat_rate", "buyers who bought again", "repeat", "buyer"),
)
CUPED = Metric("revenue_per_user_cuped", "revenue a shopper, adjusted (CUPED)", "revenue_cuped")
SHARES = (
    Metric("fallback_share", "lists that were a fallback", "fallbacks", "lists"),
    Metric("stale_share", "lists that were stale", "stales", "lists"),
)
OF_REVENUE = {"revenue_per_user", "order_value", CUPED.name}


@dataclass(frozen=True)
class Estimate:
    """A figure of one arm and its standard error; NaN where nothing was divided by."""

    value: float
    error: float
    users: int

    def interval(self) -> tuple[float, float]:
        return self.value - Z * self.error, self.value + Z * self.error


def estimate(top: Floats, bottom: Floats | None = None) -> Estimate:
    """Ratio of sums over shoppers `[users]`, with the standard error of the delta method."""
    users = len(top)
    below = np.ones(users) if bottom is None else bottom
    if users < 2 or below.sum() <= 0:
        return Estimate(float("nan"), float("nan"), users)
    value = top.sum() / below.sum()
    residual = top - value * below
    error = np.sqrt(residual @ residual / (users - 1) / users) / below.mean()
    return Estimate(float(value), float(error), users)


@dataclass(frozen=True)
class Comparison:
    """An arm against the control. Intervals are (low, high); `p` is two-sided, of no difference.

    `mde` is the difference that would have been found with a power of 80 %, `power` that of finding a relative change
    of the size that was asked about. The ratio and what is relative to the control are NaN where the control is 0.
    """

    treatment: Estimate
    control: Estimate
    difference: float
    difference_interval: tuple[float, float]
    ratio: float
    ratio_interval: tuple[float, float]
    p: float
    mde: float
    power: float


def compare(treatment: Estimate, control: Estimate, expected: float = 0.05) -> Comparison:
    """Hold an arm's figure against the control's.

    Args:
        expected: relative change whose power is wanted.
    """
    nan = float("nan")
    error = float(np.hypot(treatment.error, control.error))
    difference = treatment.value - control.value
    interval = (difference - Z * error, difference + Z * error)
    if error > 0:
        p = float(2 * stats.norm.sf(abs(difference) / error))
    else:
        p = nan if np.isnan(error) else float(difference == 0)
    ratio, low, high = nan, nan, nan
    if control.value > 0 and treatment.value > 0:
        ratio = treatment.value / control.value
        spread = Z * float(np.hypot(treatment.error / treatment.value, control.error / control.value))
        low, high = ratio * np.exp(-spread), ratio * np.exp(spread)
    effect = abs(expected * control.value) / error if error > 0 else nan
    power = float(stats.norm.cdf(effect - Z) + stats.norm.cdf(-effect - Z))
    mde = MDE * error
    return Comparison(treatment, control, difference, interval, ratio, (float(low), float(high)), p, mde, power)


def cuped(outcome: Floats, before: Floats) -> Floats:
    """The outcome less the part that a covariate from before the experiment explains; the same mean, less variance.

    Deng, Xu, Kohavi, Walker, "Improving the Sensitivity of Online Controlled Experiments by Utilizing Pre-Experiment
    Data", WSDM 2013. Both `[users]`, of all arms together, so that all are adjusted alike.
    """
    spread = before.var()
    theta = np.cov(outcome, before, ddof=0)[0, 1] / spread if spread > 0 else 0.0
    adjusted: Floats = outcome - theta * (before - before.mean())
    return adjusted


def holm(p: Sequence[float]) -> list[float]:
    """P-values that allow for their number (Holm, Scandinavian Journal of Statistics 1979); NaN are not counted."""
    values = np.asarray(p, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    adjusted = values.copy()
    adjusted[order] = np.minimum(1, np.maximum.accumulate(values[order] * np.arange(len(order), 0, -1)))
    return [float(value) for value in adjusted]


def sample_ratio(observed: Mapping[str, int], shares: Mapping[str, float]) -> float:
    """P-value (chi-square) of so many shoppers an arm where the shares are these; 0 if an arm of share 0 has any.

    Args:
        observed, shares: by arm, the control among them.
    """
    if any(observed.get(arm, 0) for arm, share in shares.items() if share <= 0):
        return 0.0
    arms = [arm for arm, share in shares.items() if share > 0]
    found = np.array([observed.get(arm, 0) for arm in arms], dtype=np.float64)
    if len(arms) < 2 or not found.sum():
        return float("nan")
    wanted = np.array([shares[arm] for arm in arms]) / sum(shares[arm] for arm in arms)
    return float(stats.chisquare(found, wanted * found.sum()).pvalue)


def figures(users: Mapping[str, Floats], metrics: Sequence[Metric], rows: npt.NDArray[np.bool_]) -> dict[str, Estimate]:
    """Each metric over the shoppers of an arm.

    Args:
        users: column -> `[users]`.
        rows: `[users]`, who is in the arm.
    """
    found = {}
    for metric in metrics:
        bottom = users[metric.bottom][rows] if metric.bottom else None
        found[metric.name] = estimate(users[metric.top][rows], bottom)
    return found


def plain(comparison: Comparison) -> dict[str, Any]:
    """A comparison as values for JSON."""
    control = comparison.control.value
    return {
        "control": control,
        "treatment": comparison.treatment.value,
        "difference": [comparison.difference, *comparison.difference_interval],
        "ratio": [comparison.ratio, *comparison.ratio_interval],
        "p": comparison.p,
        "mde": comparison.mde,
        "mde_relative": comparison.mde / control if control > 0 else float("nan"),
        "power": comparison.power,
    }
