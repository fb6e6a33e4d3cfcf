"""What the drift check asks of its nights: quiet ones trigger nothing, a planted drift triggers once, on the right day.

Pure; `infra.checks.drift` makes the nights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from lake.clock import DayRange, shift
from lake.errors import BadInput

FIRST = date(2026, 9, 1)
TRIGGERS = ("drift", "floor")
"""Causes that speak of AUC; `age` does not."""


class DriftSettings(BaseSettings):
    """The check's size. Every field is an environment variable with the prefix DRIFT_."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, env_prefix="DRIFT_")

    history_days: int = Field(45, ge=8, description="days before the first training")
    quiet_nights: int = Field(30, ge=1, description="nights without a drift that the first champion is judged on")
    nights_before: int = Field(16, ge=1, description="of these, the ones that both shops share, before the drift")
    nights_after: int = Field(14, ge=1, description="nights from the drift's own day on in the second shop")
    shoppers: int = Field(800, ge=60)
    items: int = Field(400, ge=50)
    seed: int = 7


@dataclass(frozen=True)
class Plan:
    """The check's days.

    Attributes:
        history: what the first champion is trained on.
        shared: nights that both shops have; quiet.
        quiet: the nights after them in the shop without a drift.
        drifted: the nights after them in the shop with a drift, which begins on the first.
    """

    history: DayRange
    shared: DayRange
    quiet: DayRange
    drifted: DayRange

    @classmethod
    def of(cls, size: DriftSettings) -> "Plan":
        """The days of a size.

        Raises:
            BadInput: the drift would come after the last quiet night.
        """
        if size.nights_before >= size.quiet_nights:
            raise BadInput(
                f"DRIFT_NIGHTS_BEFORE={size.nights_before} leaves no quiet night of DRIFT_QUIET_NIGHTS="
                f"{size.quiet_nights} after the drift; give a smaller one"
            )
        night, drift_on = shift(FIRST, size.history_days), shift(FIRST, size.history_days + size.nights_before)
        return cls(
            DayRange(FIRST, shift(night, -1)),
            DayRange(night, shift(drift_on, -1)),
            DayRange(drift_on, shift(night, size.quiet_nights - 1)),
            DayRange(drift_on, shift(drift_on, size.nights_after - 1)),
        )

    @property
    def drift_on(self) -> date:
        return self.drifted.first


@dataclass(frozen=True)
class Night:
    """One judged night.

    Attributes:
        auc: pooled; None where nobody could be judged. `low`, `high`: its 95 % interval.
        auc_of_day: of the night's own day alone.
        oldest: earliest day in the pool; None where it is empty.
        limit: what the pooled AUC's upper bound was held against.
    """

    day: date
    decision: str
    cause: str
    bundle: str | None
    auc: float | None
    low: float | None
    high: float | None
    auc_of_day: float | None
    users: int
    oldest: date | None
    limit: float | None

    @classmethod
    def of(cls, judged: Mapping[str, Any]) -> "Night":
        """From what `models.judging` returns."""
        figures, day = judged["figures"], date.fromisoformat(judged["ds"])
        low, high = judged["intervals"].get("auc", (None, None))
        return cls(
            day=day,
            decision=judged["decision"],
            cause=figures["cause"],
            bundle=figures["bundle"],
            auc=figures["auc"],
            low=low,
            high=high,
            auc_of_day=figures["auc_by_day"].get(judged["ds"]),
            users=figures["users"],
            oldest=min(map(date.fromisoformat, figures["days"]), default=None),
            limit=judged["thresholds"]["drift_auc"],
        )

    @property
    def triggered(self) -> bool:
        """Whether a fallen AUC asked for training."""
        return self.decision == "retrain" and self.cause in TRIGGERS

    def told(self) -> str:
        """One line for people and for the record."""
        verdict = self.decision if self.cause == "none" else f"{self.decision} ({self.cause})"
        if self.auc is None or self.low is None or self.high is None or self.oldest is None:
            return f"{verdict}; nobody judged"
        own = "" if self.auc_of_day is None else f", that day alone {self.auc_of_day:.3f}"
        line = "" if self.limit is None else f", limit {self.limit:.3f}"
        pooled = f"{self.users} shoppers of {(self.day - self.oldest).days + 1} days"
        figure = f"AUC {self.auc:.3f} [{self.low:.3f}, {self.high:.3f}]"
        return f"{verdict}; bundle {self.bundle}: {figure} of {pooled}{own}{line}"


def undiluted(nights: Sequence[Night], drift_on: date) -> date | None:
    """The first night whose pool holds no day before the drift; None where no night's does."""
    return next((night.day for night in nights if night.oldest is not None and night.oldest >= drift_on), None)


def faults(quiet: Sequence[Night], drifted: Sequence[Night], drift_on: date, fewest: int) -> list[str]:
    """What the nights show that must not be; empty if the check holds.

    The right day of the trigger is the drift's own day or, where the pool reaches back to days before it, one after,
    but at the latest the first night whose pool holds no day before the drift: then nothing dilutes the fall. In a shop
    with JUDGE_USERS shoppers a day the two are the same day.

    Args:
        quiet: nights of the shop without a drift, shared ones included.
        drifted: nights of the other shop from the drift's day on.
        fewest: shoppers that a night must judge, or its `keep` says nothing.
    """
    found = [f"quiet night {night.day}: {night.told()}" for night in quiet if night.decision != "keep"]
    blind = [night.day for night in (*quiet, *drifted) if night.users < fewest]
    if blind:
        found.append(f"{len(blind)} nights judged fewer than {fewest} shoppers, the first on {blind[0]}")
    asked = [night.day for night in drifted if night.decision == "retrain"]
    fallen = [night.day for night in drifted if night.triggered]
    if asked != fallen:
        found.append(f"training was asked for by other causes than AUC on {_days(set(asked) - set(fallen))}")
    if not fallen:
        found.append(f"the drift of {drift_on} triggered nothing until {drifted[-1].day}")
        return found
    latest = undiluted(drifted, drift_on)
    if latest is not None and fallen[0] > latest:
        found.append(f"the drift of {drift_on} triggered on {fallen[0]}, though nothing diluted it from {latest} on")
    if len(fallen) > 1:
        found.append(f"the drift of {drift_on} triggered {len(fallen)} times: {_days(fallen)}")
    return found


def _days(days: Sequence[date] | set[date]) -> str:
    return ", ".join(map(str, sorted(days)))


def summary(nights: Sequence[Night]) -> dict[str, Any]:
    """Figures of some nights, and each night in a line."""
    aucs = [night.auc for night in nights if night.auc is not None]
    return {
        "nights": len(nights),
        "triggered_on": [f"{night.day}" for night in nights if night.triggered],
        "auc_lowest": round(min(aucs), 4) if aucs else None,
        "auc_highest": round(max(aucs), 4) if aucs else None,
        "users_fewest": min((night.users for night in nights), default=0),
        "by_night": {f"{night.day}": night.told() for night in nights},
    }
