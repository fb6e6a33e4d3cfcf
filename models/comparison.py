"""Figures of several rankers on one window: the same users in the same order, so that every difference is paired."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from lake.clock import DayRange
from models import metrics
from models.baselines import BASELINES
from models.decisions import plain
from models.metrics import Estimate, Floats

K = 20
MEASURES = ("recall", "ndcg", "mrr", "hit_rate")
TARGETS = ("all", "new")


@dataclass(frozen=True)
class Measured:
    """One ranker's figures.

    Attributes:
        values: "all.ndcg", "new.recall", "gauc", ... -> [users], NaN where the user is not judged by the measure.
        coverage: share of the catalogue in the first K of at least one list.
        refused: why it was not judged, else empty.
    """

    values: Mapping[str, Floats] = field(default_factory=dict)
    coverage: float = float("nan")
    refused: str = ""

    def estimate(self, name: str) -> Estimate:
        """Mean over users of a measure with its interval."""
        return metrics.bootstrap(self.values[name]) if name in self.values else metrics.NOTHING


@dataclass(frozen=True)
class Evaluation:
    """Rankers on one window: the same users in the same order in every array.

    Attributes:
        cut: the last day that the rankers know; the window is the `days` after it.
        users: [users] ids judged, ascending.
        targets: mean number of true items a user, and the share of them never touched before.
    """

    cut: date
    window: DayRange
    k: int
    users: Sequence[str]
    targets: tuple[float, float]
    rankers: Mapping[str, Measured]

    def difference(self, a: str, b: str, name: str) -> Estimate:
        """Paired difference of a measure, `a` minus `b`."""
        return metrics.paired_difference(self.rankers[a].values[name], self.rankers[b].values[name])

    def ratio(self, a: str, b: str, name: str) -> Estimate:
        """Paired ratio of a measure's means, `a` over `b`."""
        return metrics.paired_ratio(self.rankers[a].values[name], self.rankers[b].values[name])

    @property
    def best_baseline(self) -> str:
        """The baseline with the highest NDCG on all targets."""
        return max((n for n in self.rankers if n in BASELINES), key=lambda n: self.rankers[n].estimate("all.ndcg").mean)

    def as_dict(self) -> dict[str, Any]:
        """Everything, as strict JSON: each measure as mean, low, high."""
        names = [f"{target}.{measure}" for target in TARGETS for measure in MEASURES]
        rankers: dict[str, Any] = {}
        for ranker, measured in self.rankers.items():
            if measured.refused:
                rankers[ranker] = {"refused": measured.refused}
                continue
            figures: dict[str, Any] = {}
            for name in (*names, "gauc"):
                figure = measured.estimate(name)
                figures[_named(name, self.k)] = {"mean": figure.mean, "low": figure.low, "high": figure.high}
            against = self.ratio(ranker, self.best_baseline, "all.ndcg")
            figures["ratio_to_best_baseline"] = {"mean": against.mean, "low": against.low, "high": against.high}
            rankers[ranker] = figures | {"coverage": measured.coverage}
        head = {"cut": self.cut, "first": self.window.first, "last": self.window.last, "k": self.k}
        head |= {"users": len(self.users), "targets_a_user": self.targets[0], "share_new": self.targets[1]}
        head |= {"best_baseline": self.best_baseline}
        return dict(plain(head | {"rankers": rankers}))

    def table(self) -> str:
        """For a terminal: one line a ranker, means with 95 % intervals."""
        heads = [
            ("all.recall", f"Recall@{self.k}"),
            ("all.ndcg", f"NDCG@{self.k}"),
            ("new.recall", f"new Recall@{self.k}"),
            ("new.ndcg", f"new NDCG@{self.k}"),
            ("all.mrr", "MRR"),
            ("all.hit_rate", "HitRate"),
            ("gauc", "GAUC"),
        ]
        width = max([8, *(len(name) for name in self.rankers)])
        lines = [
            f"cut {self.cut}, window {self.window}: {len(self.users)} users, {self.targets[0]:.1f} true items a user, "
            f"{self.targets[1]:.0%} of them never touched before",
            f"{'':{width}}  " + "  ".join(f"{head:>20}" for _, head in heads) + "  coverage",
        ]
        for name, measured in self.rankers.items():
            if measured.refused:
                lines.append(f"{name:{width}}  not judged: {measured.refused}")
                continue
            cells = [measured.estimate(key) for key, _ in heads]
            shown = "  ".join(f"{str(cell) if cell.users else '-':>20}" for cell in cells)
            lines.append(f"{name:{width}}  {shown}  {measured.coverage:8.1%}")
        best = self.best_baseline
        for name, measured in self.rankers.items():
            if name in BASELINES or measured.refused:
                continue
            ratio = self.ratio(name, best, "all.ndcg")
            lines.append(f"{name} / {best}, NDCG@{self.k}: {ratio}")
        return "\n".join(lines)


def _named(name: str, k: int) -> str:
    """`all.ndcg` as people write it: `all.ndcg@20`."""
    return f"{name}@{k}" if "." in name else name
