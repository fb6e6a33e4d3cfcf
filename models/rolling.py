"""Several cuts put together: all their users in one sample, a shopper of several cuts drawn as one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lake.clock import DayRange
from models.comparison import RIVAL, TARGETS, Evaluation, Measured
from models.decisions import plain
from models.metrics import Estimate, Floats


@dataclass(frozen=True)
class Rolling:
    """Evaluations of several cuts, oldest first."""

    cuts: Sequence[Evaluation]

    def pooled(self) -> Evaluation:
        """One evaluation over all cuts, of the rankers that each of them judged.

        `best baseline` is, for each target, what was best on each cut: a shop that always knew the right baseline.
        """
        first, last = self.cuts[0], self.cuts[-1]
        users = [user for cut in self.cuts for user in cut.users]
        groups = np.unique(np.asarray(users, object).astype(str), return_inverse=True)[1].astype(np.int64)
        common = [name for name in last.judged if all(name in cut.judged for cut in self.cuts)]
        rankers = {name: replace(_joined([cut.rankers[name] for cut in self.cuts]), groups=groups) for name in common}
        rivals = [_rival(cut) for cut in self.cuts]
        rankers[RIVAL] = replace(_joined(rivals), groups=groups)
        weight = np.array([len(cut.users) for cut in self.cuts], np.float64)
        items = weight * [cut.targets[0] for cut in self.cuts]
        share = float(items @ [cut.targets[1] for cut in self.cuts] / items.sum())
        dimensions = [name for name in first.segments if all(name in cut.segments for cut in self.cuts)]
        return Evaluation(
            cut=last.cut,
            window=DayRange(first.window.first, last.window.last),
            k=first.k,
            users=users,
            targets=(float(items.sum() / weight.sum()), share),
            rankers=rankers,
            baselines=[*(name for name in common if name in last.baselines), RIVAL],
            segments={name: np.concatenate([cut.segments[name] for cut in self.cuts]) for name in dimensions},
            alike=first.alike,
        )

    def ratios(self, ranker: str, target: str) -> list[Estimate]:
        """Of each cut: the ranker's NDCG over that of the cut's best baseline."""
        return [cut.ratio(ranker, cut.best_of(target), f"{target}.ndcg") for cut in self.cuts]

    def as_dict(self) -> dict[str, Any]:
        """Strict JSON: the cuts, the pooled figures, and of each contender the mean and lowest ratio of the cuts."""
        pooled = self.pooled()
        summary: dict[str, Any] = {}
        for name in pooled.contenders:
            for target in TARGETS:
                ratios = [each.mean for each in self.ratios(name, target)]
                whole = pooled.ratio(name, RIVAL, f"{target}.ndcg")
                told = {"mean": float(np.mean(ratios)), "lowest": float(np.min(ratios)), "by_cut": ratios}
                told |= {"pooled": whole.mean, "pooled_low": whole.low, "pooled_high": whole.high}
                summary.setdefault(name, {})[target] = told
        found = {"cuts": [cut.as_dict() for cut in self.cuts], "pooled": pooled.as_dict()}
        return dict(plain(found | {"ratio_to_best_baseline": summary}))


def _rival(cut: Evaluation) -> Measured:
    """The figures of the cut's best baselines: on all targets of the one best there, on new ones of the other."""
    values: dict[str, Floats] = {}
    for target in TARGETS:
        best = cut.rankers[cut.best_of(target)]
        values |= {name: each for name, each in best.values.items() if name.startswith(f"{target}.")}
    return Measured(values)


def _joined(parts: Sequence[Measured]) -> Measured:
    """Figures of the same ranker on several cuts; numbers of whole lists as their mean."""
    names = [name for name in parts[0].values if all(name in part.values for part in parts)]
    numbers = [name for name in parts[0].numbers if all(name in part.numbers for part in parts)]
    cold = [name for name in parts[0].cold if all(name in part.cold for part in parts)]
    return Measured(
        values={name: np.concatenate([part.values[name] for part in parts]) for name in names},
        numbers={name: float(np.mean([part.numbers[name] for part in parts])) for name in numbers},
        cold={name: np.concatenate([part.cold[name] for part in parts]) for name in cold},
        places=np.sum([part.places for part in parts], axis=0) if len(parts[0].places) else parts[0].places,
    )
