"""From figures to a verdict: keep the champion, retrain it, or train a first one. Pure; reads nothing.

The rules, first match wins:

1. no champion: `bootstrap`;
2. AUC fell: the upper bound of the judged AUC lies below `reference * (1 - AUC_DROP)`, both figures' noise counted
   (cause `drift`), or below `AUC_FLOOR` (cause `floor`): `retrain`, unless the same was asked for within
   RETRAIN_COOLDOWN_DAYS - whatever came of it, asking daily would train on nearly the same data;
3. the champion is RETRAIN_EVERY_DAYS old and nothing was asked for within the cool-down: `retrain` (cause `age`);
4. otherwise `keep`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import isfinite, sqrt
from typing import Any, Literal

from lake.settings import Settings
from models.metrics import Estimate

Kind = Literal["bootstrap", "keep", "retrain"]
FALL = ("drift", "floor")


@dataclass(frozen=True)
class Reference:
    """The champion's AUC at promotion, and its interval where one was stored.

    Attributes:
        since: earliest day that it was measured on; None where that was not stored.
        measured: when, in words for the reason.
    """

    auc: float
    low: float | None = None
    high: float | None = None
    since: date | None = None
    measured: str = "at promotion"

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "Reference | None":
        """From a mapping with reference_auc, reference_low, reference_high, reference_days; None without a figure."""
        value = stored.get("reference_auc")
        if value is None or not isfinite(float(value)):
            return None
        low, high = stored.get("reference_low"), stored.get("reference_high")
        since = min(map(date.fromisoformat, stored.get("reference_days") or ()), default=None)
        return cls(float(value), None if low is None else float(low), None if high is None else float(high), since)

    def speaks_for(self, trained_through: date, past: Sequence[Mapping[str, Any]]) -> bool:
        """Whether it was measured on the same world that a bundle trained through a day serves.

        It was not if a fall of the AUC asked for training on one of the days that it was measured on: these then lie
        mostly before what made the AUC fall, and no bundle could reach on later days what they promise.

        Args:
            past: decisions of kind `retrain`, with `ds` and `figures["cause"]`.
        """
        first = min(self.since or trained_through, trained_through)
        return not any(
            row["figures"].get("cause") in FALL and first <= date.fromisoformat(str(row["ds"])) <= trained_through
            for row in past
        )


@dataclass(frozen=True)
class Verdict:
    """What to do, in a word, why in a sentence, and the cause that a cool-down goes by."""

    kind: Kind
    reason: str
    cause: str


@dataclass(frozen=True)
class Thresholds:
    """What the figures were held against; None where there is no reference yet."""

    drift_auc: float | None
    floor_auc: float
    drop: float
    retrain_every_days: int
    cooldown_days: int
    min_users: int

    @classmethod
    def of(cls, settings: Settings, reference: Reference | None) -> "Thresholds":
        line = None if reference is None else reference.auc * (1 - settings.auc_drop)
        return cls(
            drift_auc=line,
            floor_auc=settings.auc_floor,
            drop=settings.auc_drop,
            retrain_every_days=settings.retrain_every_days,
            cooldown_days=settings.retrain_cooldown_days,
            min_users=settings.judge_min_users,
        )


def upper_bound(judged: Estimate, reference: Reference | None, drop: float) -> float:
    """Upper bound of the judged AUC for the comparison with the reference, widened by the reference's own noise.

    The two figures come from different shoppers and days, so the half-widths of their intervals add in quadrature;
    the reference's is scaled by `1 - drop`, as the reference is in the threshold.
    """
    own = judged.high - judged.mean
    if reference is None or reference.low is None:
        return judged.high
    other = (reference.auc - reference.low) * (1 - drop)
    return judged.mean + sqrt(own**2 + other**2)


def decide(
    day: date,
    trained_through: date | None,
    judged: Estimate,
    reference: Reference | None,
    past: Sequence[Mapping[str, Any]],
    thresholds: Thresholds,
) -> Verdict:
    """The verdict on one day.

    Args:
        trained_through: of the champion; None where there is none.
        judged: pooled AUC; `users` may be 0.
        past: earlier decisions of kind `retrain`, with `ds` and `figures["cause"]`; later days are ignored.
    """
    if trained_through is None:
        return Verdict("bootstrap", "there is no champion yet: train a first bundle", "none")
    fall = _fall(judged, reference, thresholds)
    age = (day - trained_through).days
    told = _told(judged, reference, thresholds)
    if fall is not None:
        cause, sentence = fall
        before = _asked(day, past, FALL, thresholds.cooldown_days)
        if before is None:
            return Verdict("retrain", sentence, cause)
        return Verdict(
            "keep",
            f"{sentence}; training was asked for on {before}, again after {thresholds.cooldown_days} days",
            cause,
        )
    every = thresholds.retrain_every_days
    if every and age >= every:
        before = _asked(day, past, (*FALL, "age"), min(thresholds.cooldown_days, every))
        if before is None:
            return Verdict("retrain", f"the champion has seen nothing for {age} days (limit {every}); {told}", "age")
        return Verdict("keep", f"the champion is {age} days old; training was asked for on {before}; {told}", "age")
    return Verdict("keep", told, "none")


def _fall(judged: Estimate, reference: Reference | None, thresholds: Thresholds) -> tuple[str, str] | None:
    if judged.users < thresholds.min_users:
        return None
    if reference is not None and thresholds.drift_auc is not None:
        upper = upper_bound(judged, reference, thresholds.drop)
        if upper < thresholds.drift_auc:
            share = 1 - judged.mean / reference.auc
            return "drift", (
                f"AUC {judged.mean:.3f} is {share:.1%} below the {reference.auc:.3f} {reference.measured}; even its "
                f"upper bound {upper:.3f} is under {thresholds.drift_auc:.3f} ({thresholds.drop:.0%} below)"
            )
    if judged.high < thresholds.floor_auc:
        return "floor", f"AUC {judged.mean:.3f}, at most {judged.high:.3f}, is under the floor {thresholds.floor_auc}"
    return None


def _told(judged: Estimate, reference: Reference | None, thresholds: Thresholds) -> str:
    if judged.users == 0:
        return "no shopper could be judged"
    if judged.users < thresholds.min_users:
        return f"only {judged.users} shoppers judged, too few to decide (JUDGE_MIN_USERS={thresholds.min_users})"
    figure = f"AUC {judged.mean:.3f} [{judged.low:.3f}, {judged.high:.3f}] of {judged.users} shoppers"
    if reference is None or thresholds.drift_auc is None:
        return f"{figure}; no reference yet, this figure becomes it"
    line = f"against {reference.auc:.3f} {reference.measured} (limit {thresholds.drift_auc:.3f})"
    if judged.mean < thresholds.drift_auc:
        return f"{figure} {line}: a fall that may be noise"
    return f"{figure} {line}: no fall past the limit"


def _asked(day: date, past: Sequence[Mapping[str, Any]], causes: Sequence[str], within: int) -> str | None:
    """The newest day before `day`, at most `within - 1` days back, on which one of the causes asked for training."""
    days = [
        str(row["ds"])
        for row in past
        if row["figures"].get("cause") in causes and 0 < (day - date.fromisoformat(str(row["ds"]))).days < within
    ]
    return max(days, default=None)
