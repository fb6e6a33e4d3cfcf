"""The analysis of an experiment, from the lake to one result that can be kept as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lake.clock import DayRange
from lake.errors import BadInput
from lake.settings import Settings
from models import decisions, exposed, surfaces
from models.experiments import (
    CUPED,
    METRICS,
    OF_REVENUE,
    SHARES,
    Comparison,
    Estimate,
    Metric,
    compare,
    cuped,
    figures,
    holm,
    plain,
    sample_ratio,
)
from models.exposed import Exposed
from storefront.contract import CONTROL, Experiment

RATIO_P = 0.001
"""A sample ratio less likely than this is no chance: something loses shoppers of one arm."""
WRONG_SHARE = 0.01
"""Share of shoppers in another arm than they were assigned to, or in two, from which nothing can be concluded."""
METHOD = (
    "Shoppers are the unit; from their first list of the experiment within the window on, what they bought counts. "
    "Intervals are of 95 %, by the delta method over shoppers. p-values are two-sided; Holm's allow for their number."
)


@dataclass(frozen=True)
class Bounds:
    """Guardrails and what power is asked about; shares of one.

    Attributes:
        revenue_drop: relative loss of revenue a shopper that must be ruled out.
        share_rise: rise in the share of fallback or stale lists that must be ruled out.
        expected: relative change of a metric whose power is told.
    """

    revenue_drop: float = 0.02
    share_rise: float = 0.01
    expected: float = 0.05


def analyse(
    settings: Settings,
    surface: str,
    days: DayRange,
    experiment: Experiment | None = None,
    bounds: Bounds | None = None,
) -> dict[str, Any]:
    """Hold every arm against the control over a window of days.

    Args:
        experiment: as it ran; default what the publication noted, else what the surface's file says.

    Returns:
        Values for JSON; NaN where a figure cannot be told.

    Raises:
        BadInput: no experiment is known, it leaves no control, or nobody was shown it within the days.
    """
    found, changed = (experiment, []) if experiment else ran(settings, surface, days)
    shares = dict(found.arms) | {CONTROL: max(0.0, 1 - sum(found.arms.values()))}
    if shares[CONTROL] < 1e-9:
        raise BadInput(f"experiment {found.name}: its arms take everybody, so there is no control to compare with")
    users = exposed.load(settings, surface, found, days)
    if not len(users):
        raise BadInput(
            f"nobody was shown experiment {found.name} on {surface} within {days}: "
            f"run `python -m jobs.impressions --from {days.first} --to {days.last}`, and see docs/experiments.md for "
            f"what the storefront must log"
        )
    return summary(users, found, shares, bounds or Bounds(), changed) | {
        "surface": surface,
        "from": days.first.isoformat(),
        "to": days.last.isoformat(),
    }


def summary(
    users: Exposed, found: Experiment, shares: Mapping[str, float], bounds: Bounds, changed: Sequence[str] = ()
) -> dict[str, Any]:
    """The result of an experiment whose shoppers were read."""
    of_arm = {arm: users.arm == arm for arm in (CONTROL, *found.arms)}
    observed = {arm: int(rows.sum()) for arm, rows in of_arm.items()}
    strangers = len(users) - sum(observed.values())
    ratio = sample_ratio(observed, shares)
    columns = dict(users.columns) | {"revenue_cuped": cuped(users.columns["revenue"], users.columns["before"])}
    metrics = [each for each in (*METRICS, CUPED) if users.prices or each.name not in OF_REVENUE]
    estimates = {arm: figures(columns, (*metrics, *SHARES), rows) for arm, rows in of_arm.items()}
    compared = {
        (arm, metric.name): compare(estimates[arm][metric.name], estimates[CONTROL][metric.name], bounds.expected)
        for arm in found.arms
        for metric in (*metrics, *SHARES)
    }
    reasons = _doubts(users, ratio, observed, strangers, changed)
    return {
        "experiment": {"name": found.name, "salt": found.salt, "arms": dict(found.arms)},
        "method": METHOD,
        "verdict": {"trust": not reasons, "reasons": reasons},
        "sample_ratio": {"p": ratio, "threshold": RATIO_P, "observed": observed, "shares": dict(shares)},
        "users": {
            "analysed": len(users) - strangers,
            "two_arms": users.two_arms,
            "misassigned": users.misassigned,
            "unknown_arm": strangers,
            "anonymous_lists": users.anonymous_lists,
        },
        "started": users.started,
        "bounds": bounds.__dict__,
        "titles": {metric.name: metric.title for metric in (*metrics, *SHARES)},
        "arms": {arm: _arm(columns, rows, estimates[arm]) for arm, rows in of_arm.items()},
        "comparisons": _comparisons(compared, list(found.arms), metrics),
        "guardrails": [each for arm in found.arms for each in _guardrails(compared, arm, bounds, users.prices)],
        "by_day": users.by_day,
    }


def _doubts(
    users: Exposed, ratio: float, observed: Mapping[str, int], strangers: int, changed: Sequence[str]
) -> list[str]:
    reasons = list(changed)
    if ratio < RATIO_P:
        told = ", ".join(f"{arm} {count:,}" for arm, count in observed.items())
        reasons.append(f"sample-ratio mismatch: {told} is not what the shares deal out (p = {ratio:.2g})")
    for count, what in (
        (users.misassigned, "were shown another arm than the one they belong to"),
        (users.two_arms, "were seen in two arms"),
        (strangers, "were logged in an arm that the experiment does not have"),
    ):
        everybody = len(users) + users.two_arms
        if count > WRONG_SHARE * everybody:
            reasons.append(f"{count:,} of {everybody:,} shoppers {what}")
    return reasons


def _arm(columns: Mapping[str, Any], rows: Any, estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    sums = {name: float(columns[name][rows].sum()) for name in ("lists", "shown", "clicks", "orders", "revenue")}
    told = {name: [each.value, *each.interval()] for name, each in estimates.items()}
    return {"users": int(rows.sum()), **sums, "figures": told}


def _comparisons(
    compared: Mapping[tuple[str, str], Comparison], arms: Sequence[str], metrics: Sequence[Metric]
) -> list[dict[str, Any]]:
    """Every metric of every arm; Holm's count leaves out CUPED, which asks about revenue a shopper once more."""
    asked = [(arm, metric.name) for arm in arms for metric in metrics]
    counted = [key for key in asked if key[1] != CUPED.name]
    adjusted = dict(zip(counted, holm([compared[key].p for key in counted]), strict=True))
    return [
        {"arm": key[0], "metric": key[1], **plain(compared[key]), "p_holm": adjusted.get(key, float("nan"))}
        for key in asked
    ]


def _guardrails(
    compared: Mapping[tuple[str, str], Comparison], arm: str, bounds: Bounds, prices: bool
) -> list[dict[str, Any]]:
    """What must not get worse: `held` where that is ruled out, `breached` where it is certain, else `open`."""
    worse: list[tuple[str, list[float], float]] = []
    if prices:
        revenue = compared[arm, "revenue_per_user"]
        loss = [1 - value for value in (revenue.ratio, *reversed(revenue.ratio_interval))]
        rule = f"revenue a shopper not down by more than {bounds.revenue_drop:.1%}"
        worse.append((rule, loss, bounds.revenue_drop))
    for share in SHARES:
        rise = compared[arm, share.name]
        rule = f"{share.title}: not up by more than {bounds.share_rise:.1%} of all"
        worse.append((rule, [rise.difference, *rise.difference_interval], bounds.share_rise))
    return [
        {
            "arm": arm,
            "rule": rule,
            "worse": values,
            "bound": bound,
            "state": "held" if values[2] <= bound else "breached" if values[1] > bound else "open",
        }
        for rule, values, bound in worse
    ]


def ran(settings: Settings, surface: str, days: DayRange) -> tuple[Experiment, list[str]]:
    """The experiment that ran on a surface, and what changed about it within the window.

    A publication of day D serves from D+1 on, until the next one.

    Raises:
        BadInput: none is known.
    """
    noted = [
        row
        for row in decisions.history(settings, ["experiment"], end=days.last)
        if row["figures"]["surface"] == surface and row["ds"] < days.last.isoformat()
    ]
    before = [row for row in noted if row["ds"] < days.first.isoformat()]
    within = [row for row in noted if row["ds"] >= days.first.isoformat()]
    texts = [row["figures"]["experiment"] for row in (*before[-1:], *within)]
    told = [Experiment.read(text) for text in texts if text]
    if told:
        # An end before the window says that nothing ran at its beginning, and what starts within it is all there is.
        changed = len(set(texts if texts[0] else texts[1:])) > 1
        reason = "the experiment, or its shares, changed within the window: choose one in which they did not"
        return told[-1], [reason] if changed else []
    file = settings.surfaces / f"{surface}.yaml"
    wanted = surfaces.read(file).experiment if file.is_file() else None
    if wanted is None:
        raise BadInput(
            f"no experiment is known on {surface} until {days.last}: none was published, and {file} names none; "
            f'give --experiment \'{{"name": ..., "salt": ..., "arms": {{...}}}}\''
        )
    return wanted.assignment(), []


def finite(value: Any) -> Any:
    """The result as strict JSON has it: NaN as null, numbers of numpy as plain ones."""
    return decisions.plain(value)
