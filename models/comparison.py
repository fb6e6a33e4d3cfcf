"""Figures of several rankers on the same users in the same order, so that every difference is paired."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from lake.clock import DayRange
from models import metrics
from models.decisions import plain
from models.metrics import Estimate, Floats
from models.segments_of_users import HISTORY, ITEM_CLASSES, OTHER, UNKNOWN, Labels, pooled

K = 20
MEASURES = ("recall", "ndcg", "mrr", "hit_rate")
TARGETS = ("all", "new")
LIST_MEASURES = ("novelty", "diversity", "new_items")
RIVAL = "best baseline"
"""The strongest baseline of each cut, as a ranker of the pooled figures."""


@dataclass(frozen=True)
class Measured:
    """One ranker's figures.

    Attributes:
        values: "all.ndcg", "new.recall", "items.cold.recall", "gauc", ... -> [users], NaN where the user is not judged
            by the measure.
        numbers: figures of all lists together: "all.coverage" (share of the catalogue in the first K of at least one
            list), "all.gini", "auc" (pooled over all pairs of the GAUC).
        cold: measures on shoppers unknown at the cut -> [strangers].
        places: [K] hits on all targets at each place of the lists.
        refused: why it was not judged, else empty.
    """

    values: Mapping[str, Floats] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)
    cold: Mapping[str, Floats] = field(default_factory=dict)
    places: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    refused: str = ""
    groups: npt.NDArray[np.int64] | None = None

    def estimate(self, name: str) -> Estimate:
        """Mean over users of a measure with its interval."""
        return metrics.bootstrap(self.values[name], groups=self.groups) if name in self.values else metrics.NOTHING


@dataclass(frozen=True)
class Segment:
    """One ranker in one group of shoppers: NDCG there, and its ratio to the best baseline's."""

    dimension: str
    name: str
    users: int
    ndcg: Estimate
    ratio: Estimate


@dataclass(frozen=True)
class Evaluation:
    """Rankers on one window, or on several put together: the same users in the same order in every array.

    Attributes:
        cut: the last day that the rankers know; the window is the days after it.
        users: [users] ids judged, ascending; of several windows one after the other, so an id may come again.
        targets: mean number of true items a user, and the share of them never touched before.
        baselines: which of the rankers are baselines.
        segments: dimension -> [users] label.
        notes: ranker -> what a reader must know of it: the bundle's version, numbers that were tuned.
        alike: what the diversity of lists is measured by.
    """

    cut: date
    window: DayRange
    k: int
    users: Sequence[str]
    targets: tuple[float, float]
    rankers: Mapping[str, Measured]
    baselines: Sequence[str] = ()
    segments: Mapping[str, Labels] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    alike: str = ""

    def difference(self, a: str, b: str, name: str) -> Estimate:
        """Paired difference of a measure, `a` minus `b`."""
        one, other = self.rankers[a], self.rankers[b]
        return metrics.paired_difference(one.values[name], other.values[name], groups=one.groups)

    def ratio(self, a: str, b: str, name: str) -> Estimate:
        """Paired ratio of a measure's means, `a` over `b`; nothing where one of them has no such figure."""
        one, other = self.rankers[a], self.rankers[b]
        if name not in one.values or name not in other.values:
            return metrics.NOTHING
        return metrics.paired_ratio(one.values[name], other.values[name], groups=one.groups)

    @cached_property
    def judged(self) -> list[str]:
        """Rankers that have figures, in order."""
        return [name for name, measured in self.rankers.items() if not measured.refused]

    @property
    def contenders(self) -> list[str]:
        """Judged rankers that are no baselines."""
        return [name for name in self.judged if name not in self.baselines]

    def best_of(self, target: str) -> str:
        """The baseline with the highest NDCG on a target; it is chosen in hindsight, which favours the baselines."""
        if RIVAL in self.rankers:
            return RIVAL
        known = [name for name in self.baselines if name in self.judged]
        total = {name: np.nansum(self.rankers[name].values[f"{target}.ndcg"]) for name in known}
        return max(total, key=lambda name: float(total[name]))

    @property
    def best_baseline(self) -> str:
        """The baseline with the highest NDCG on all targets."""
        return self.best_of("all")

    def by_segment(self, ranker: str, target: str = "all") -> list[Segment]:
        """A ranker's NDCG in each group of shoppers; small groups of a dimension as `other`."""
        found, rival = [], self.best_of(target)
        measured, name = self.rankers[ranker], f"{target}.ndcg"
        if name not in measured.values:
            return []
        shopper = np.arange(len(self.users)) if measured.groups is None else measured.groups
        for dimension, labels in self.segments.items():
            for label, here in pooled(labels, shopper).items():
                mine, theirs = measured.values[name][here], self.rankers[rival].values[name][here]
                ndcg = metrics.bootstrap(mine, groups=shopper[here])
                if ndcg.users:
                    ratio = metrics.paired_ratio(mine, theirs, groups=shopper[here])
                    users = len(set(shopper[here][~np.isnan(mine)].tolist()))
                    found.append(Segment(dimension, label, users, ndcg, ratio))
        return found

    def worst_segment(self, ranker: str, target: str = "all") -> Segment | None:
        """The group with the lowest NDCG, by country, activity or price; None where there are no two groups.

        How much is known of a shopper is no group of people, and neither is `other`.
        """
        named = [
            segment
            for segment in self.by_segment(ranker, target)
            if segment.dimension != HISTORY and segment.name not in (OTHER, UNKNOWN)
        ]
        return min(named, key=lambda segment: segment.ndcg.mean) if len(named) > 1 else None

    def as_dict(self) -> dict[str, Any]:
        """Everything, as strict JSON: each measure as mean, low, high."""
        rankers = {name: self._figures(name) for name in self.rankers}
        head = {"cut": self.cut, "first": self.window.first, "last": self.window.last, "k": self.k}
        head |= {"users": len(self.users), "targets_a_user": self.targets[0], "share_new": self.targets[1]}
        head |= {"best_baseline": self.best_baseline, "best_baseline_new": self.best_of("new")}
        head |= {"diversity_by": self.alike} if self.alike else {}
        return dict(plain(head | {"rankers": rankers}))

    def _figures(self, ranker: str) -> dict[str, Any]:
        measured = self.rankers[ranker]
        if measured.refused:
            return {"refused": measured.refused}
        names = [f"{target}.{measure}" for target in TARGETS for measure in MEASURES]
        figures: dict[str, Any] = {
            f"{name}@{self.k}" if "." in name else name: _told(measured.estimate(name)) for name in (*names, "gauc")
        }
        more = [f"{target}.{measure}" for target in TARGETS for measure in LIST_MEASURES]
        more += [f"items.{each}.recall" for each in ITEM_CLASSES]
        figures |= {name: _told(measured.estimate(name)) for name in more if name in measured.values}
        figures |= {"ratio_to_best_baseline": _told(self.ratio(ranker, self.best_baseline, "all.ndcg"))}
        figures |= {"ratio_to_best_baseline_new": _told(self.ratio(ranker, self.best_of("new"), "new.ndcg"))}
        figures |= {"coverage": measured.numbers.get("all.coverage", float("nan")), **measured.numbers}
        if measured.cold:
            figures["cold_users"] = {name: _told(metrics.bootstrap(each)) for name, each in measured.cold.items()}
        if measured.places.any():
            figures["hits_by_place"] = measured.places
        if self.segments and ranker not in self.baselines:
            figures["segments"] = self._segments(ranker)
        if ranker in self.notes:
            figures["note"] = self.notes[ranker]
        return figures

    def _segments(self, ranker: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for target in TARGETS:
            by: dict[str, dict[str, Any]] = {}
            for each in self.by_segment(ranker, target):
                figures = {"users": each.users, "ndcg": _told(each.ndcg), "ratio": _told(each.ratio)}
                by.setdefault(each.dimension, {})[each.name] = figures
            if by:
                worst = self.worst_segment(ranker, target)
                found[target] = by | {"worst": f"{worst.dimension}={worst.name}" if worst else None}
        return found


def _told(estimate: Estimate) -> dict[str, float]:
    return {"mean": estimate.mean, "low": estimate.low, "high": estimate.high}
