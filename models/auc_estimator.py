"""The AUC that decides about retraining: how surely a bundle tells tomorrow's items from popular ones.

For each shopper with an event on day D whom the snapshot as of D-1 knows: positives are the items touched on D,
negatives are drawn from the as-of catalogue in proportion to the last month's events, and the score is the bundle's
with features as of D-1. The figure is the mean over shoppers of their own AUC, so a busy shopper weighs no more than a
quiet one. Judging and the reference at promotion use this same estimator.
"""

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from lake import storage
from lake.clock import shift
from lake.errors import BadInput
from lake.settings import Settings
from models import labels
from models.metrics import Estimate, Floats, auc_by_group, bootstrap
from models.metrics import auc as pooled_auc
from models.snapshot import Snapshot

log = logging.getLogger(__name__)

POPULARITY_DAYS = 30
"""Negatives are drawn by the events of this many days, all of the look-back if those hold none."""

MOST_USERS = 4
"""At most this many times JUDGE_USERS shoppers of one day are judged; which ones is a matter of their hash."""

STALE_DAYS = 35
"""For a reference only: features at most this much older than the day before may stand in for missing ones."""


class ScoresPairs(Protocol):
    """Whoever scores given pairs."""

    def score_pairs(self, snapshot: Snapshot, users: Sequence[str], items: Sequence[str]) -> npt.NDArray[np.float32]:
        """float32 [pairs], comparable within one user."""
        ...


class PairScorer(ScoresPairs, Protocol):
    """What the estimator wants of a bundle."""

    @property
    def trained_through(self) -> date: ...


@dataclass(frozen=True)
class DayAuc:
    """One judged day.

    Attributes:
        users: [users] ids, ascending.
        auc: [users] each one's AUC on the day.
        positives: pairs judged; `unseen`: pairs left out because the item was not in the catalogue the day before.
        strangers: shoppers of the day whom the snapshot did not know.
        pooled: AUC over all pairs at once, as if scores compared between shoppers; for information only.
    """

    day: date
    users: npt.NDArray[np.object_]
    auc: Floats
    positives: int
    unseen: int
    strangers: int
    pooled: float = float("nan")


def auc_on_day(bundle: PairScorer, settings: Settings, day: date, *, exact: bool = True) -> DayAuc:
    """Judge one day with features as of the day before.

    Args:
        exact: refuse features older than the day before.

    Raises:
        BadInput: there are no features as of the day before.
    """
    snapshot = Snapshot.load(settings, shift(day, -1), exact=exact)
    return judge_pairs(bundle, snapshot, labels.touched(settings, day, day), day, settings)


def judge_pairs(
    bundle: ScoresPairs, snapshot: Snapshot, truth: Mapping[str, Iterable[str]], day: date, settings: Settings
) -> DayAuc:
    """AUC of each shopper in `truth` (user id -> item ids touched) whom the snapshot knows."""
    known = [user for user in sorted(truth) if snapshot.rows_of([user])[0] >= 0]
    strangers = len(truth) - len(known)
    most = MOST_USERS * settings.judge_users
    if len(known) > most:
        known = sorted(sorted(known, key=lambda user: _seed(user, day))[:most])
    draw = _Negatives(snapshot)
    owners: list[int] = []
    columns: list[npt.NDArray[np.int64]] = []
    labelled: list[npt.NDArray[np.bool_]] = []
    unseen = 0
    for number, user in enumerate(known):
        wanted = snapshot.items_of(sorted(truth[user]))
        positives = wanted[wanted >= 0].astype(np.int64)
        unseen += len(wanted) - len(positives)
        negatives = draw(positives, settings.judge_negatives, _seed(user, day))
        if len(positives) and len(negatives):
            owners.append(number)
            columns.append(np.concatenate([positives, negatives]))
            labelled.append(np.arange(len(positives) + len(negatives)) < len(positives))
    if not owners:
        return DayAuc(day, np.zeros(0, object), np.zeros(0), 0, unseen, strangers)
    group = np.repeat(owners, [len(part) for part in columns])
    users, items = np.asarray(known, object)[group], snapshot.items[np.concatenate(columns)]
    score = bundle.score_pairs(snapshot, users.tolist(), items.tolist())
    label = np.concatenate(labelled)
    judged, auc = auc_by_group(group, label, score)
    whole = pooled_auc(label, score)
    return DayAuc(day, np.asarray(known, object)[judged], auc, int(label.sum()), unseen, strangers, whole)


def _seed(user: str, day: date) -> int:
    """64 bits that depend on user and day only (Python's own hash changes from process to process)."""
    return int.from_bytes(hashlib.blake2b(f"{user}\0{day.isoformat()}".encode(), digest_size=8).digest(), "big")


class _Negatives:
    """Draws items by popularity, with replacement, never one of the shopper's positives."""

    def __init__(self, snapshot: Snapshot) -> None:
        events = snapshot.events
        size = len(snapshot.items)
        recent = events.item[events.age_days <= POPULARITY_DAYS]
        weight = np.bincount(recent if len(recent) else events.item, minlength=size).astype(np.float64)
        self.weight = weight if weight.any() else np.ones(size)
        self.cumulative = np.cumsum(self.weight)

    def __call__(self, positives: npt.NDArray[np.int64], count: int, seed: int) -> npt.NDArray[np.int64]:
        if len(self.cumulative) == 0:
            return np.zeros(0, np.int64)
        rng = np.random.default_rng(seed)
        drawn = self._draw(rng, self.cumulative, 2 * count)
        kept = drawn[~np.isin(drawn, positives)]
        if len(kept) < count:
            rest = self.weight.copy()
            rest[positives] = 0.0
            kept = self._draw(rng, np.cumsum(rest), count) if rest.any() else kept[:0]
        return kept[:count]

    @staticmethod
    def _draw(rng: np.random.Generator, cumulative: Floats, count: int) -> npt.NDArray[np.int64]:
        # side="right" never lands on an item of weight 0; the minimum guards the last float before the total.
        place = np.searchsorted(cumulative, rng.random(count) * cumulative[-1], side="right")
        return np.minimum(place, np.searchsorted(cumulative, cumulative[-1])).astype(np.int64)


@dataclass(frozen=True)
class Pool:
    """Judged days put together, newest first; a shopper of several days counts once, with the mean of them."""

    days: tuple[DayAuc, ...]
    skipped: tuple[date, ...] = ()

    @property
    def users(self) -> int:
        return len({user for day in self.days for user in day.users})

    @property
    def estimate(self) -> Estimate:
        """Mean AUC over shoppers with its 95 % bootstrap interval."""
        return bootstrap(self.per_user)

    @property
    def per_user(self) -> Floats:
        """[users] AUC of each shopper, by id ascending."""
        if not self.days:
            return np.zeros(0)
        _, number = np.unique(np.concatenate([day.users for day in self.days]).astype(str), return_inverse=True)
        return np.bincount(number, np.concatenate([day.auc for day in self.days])) / np.bincount(number)

    def figures(self) -> dict[str, Any]:
        return {
            "users": self.users,
            "days": [day.day.isoformat() for day in self.days],
            "days_without_features": [day.isoformat() for day in self.skipped],
            "positives": sum(day.positives for day in self.days),
            "items_unseen": sum(day.unseen for day in self.days),
            "users_unknown": sum(day.strangers for day in self.days),
            "auc_by_day": {day.day.isoformat(): float(day.auc.mean()) for day in self.days if len(day.auc)},
        }


def pool(bundle: PairScorer, settings: Settings, first: date, last: date, *, exact: bool = True) -> Pool:
    """Judge `last`, then earlier days down to `first`, until JUDGE_USERS shoppers are judged.

    Args:
        exact: skip days without features as of the day before (they are named in the pool); otherwise features up to
            `STALE_DAYS` older stand in.
    """
    judged: list[DayAuc] = []
    skipped: list[date] = []
    found: set[str] = set()
    day = last
    while day >= first and len(found) < settings.judge_users:
        if _featured(settings, shift(day, -1), exact=exact):
            judged.append(auc_on_day(bundle, settings, day, exact=exact))
            found.update(judged[-1].users)
        else:
            skipped.append(day)
        day = shift(day, -1)
    if skipped:
        log.warning("not judged for want of features as of the day before: %s", ", ".join(map(str, skipped)))
    return Pool(tuple(judged), tuple(skipped))


def _featured(settings: Settings, as_of: date, *, exact: bool) -> bool:
    oldest = as_of if exact else shift(as_of, -STALE_DAYS)
    wanted = range(oldest.toordinal(), as_of.toordinal() + 1)
    return all(
        any(date.fromisoformat(day).toordinal() in wanted for day in storage.days(settings, name))
        for name in ("items", "item_features")
    )


def reference(bundle: PairScorer, settings: Settings, first: date, last: date) -> dict[str, Any]:
    """What later judgements of the bundle are held against: the same estimator on days it was not trained on.

    Training calls it with the held-out days and stores the result with the bundle.

    Returns:
        reference_auc, reference_low, reference_high (95 %), reference_users, reference_days (newest first); AUC is
        None where no shopper could be judged.

    Raises:
        BadInput: the bundle was trained on one of the days.
    """
    if bundle.trained_through >= first:
        raise BadInput(
            f"first={first}: the bundle was trained through {bundle.trained_through}; a reference needs later days"
        )
    judged = pool(bundle, settings, first, last, exact=False)
    estimate = judged.estimate
    return {
        "reference_auc": estimate.mean if estimate.users else None,
        "reference_low": estimate.low if estimate.users else None,
        "reference_high": estimate.high if estimate.users else None,
        "reference_users": estimate.users,
        "reference_days": [day.day.isoformat() for day in judged.days],
    }
