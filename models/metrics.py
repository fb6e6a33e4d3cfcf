"""How good ranked lists are: per-user metrics, AUC by group, and the bootstrap over users.

A list is a row of item numbers, best first, padded with -1; the truth is a set of (user, item) pairs. Every metric is
one figure a user, so that means, intervals and paired differences all come from the same arrays.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer]
Bools = npt.NDArray[np.bool_]

PAD = -1
"""Item number of an empty place at the end of a list."""


def hits(lists: Ints, truth_user: Ints, truth_item: Ints) -> Bools:
    """Which places of the lists hold a true item.

    Args:
        lists: [users, K] item numbers, best first, -1 where a list is shorter; no item twice in a row.
        truth_user: [pairs] row of `lists` the pair belongs to.
        truth_item: [pairs] item number.

    Returns:
        [users, K], true where the item at that place is one of the user's.
    """
    span = max(int(lists.max(initial=0)), int(truth_item.max(initial=0))) + 1
    keys = np.arange(len(lists), dtype=np.int64)[:, None] * span + lists
    wanted = truth_user.astype(np.int64) * span + truth_item
    return np.isin(keys, wanted) & (lists != PAD)


def places(lists: Ints, truth_user: Ints, truth_item: Ints) -> npt.NDArray[np.int64]:
    """[pairs] place, from 0, of each true pair in its user's list; -1 where it is not in it. Arguments as of `hits`."""
    span = max(int(lists.max(initial=0)), int(truth_item.max(initial=0))) + 1
    row, place = np.nonzero(lists != PAD)
    keys = row * span + lists[row, place]
    wanted = truth_user.astype(np.int64) * span + truth_item
    if not len(keys):
        return np.full(len(wanted), PAD, np.int64)
    order = np.argsort(keys, kind="stable")
    at = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    return np.where(keys[order][at] == wanted, place[order][at], PAD).astype(np.int64)


def truth_sizes(users: int, truth_user: Ints, truth_item: Ints) -> npt.NDArray[np.int64]:
    """[users] distinct true items of each user."""
    pairs = np.unique(np.stack([truth_user, truth_item]), axis=1)
    return np.bincount(pairs[0].astype(np.int64), minlength=users)


def recall(hit: Bools, sizes: Ints, k: int) -> Floats:
    """Recall@K, one figure a user: hits in the first K over min(K, true items); NaN for a user without truth."""
    possible = np.where(sizes > 0, np.minimum(sizes, k), np.nan)
    return np.asarray(hit[:, :k].sum(1) / possible, dtype=np.float64)


def ndcg(hit: Bools, sizes: Ints, k: int) -> Floats:
    """NDCG@K with binary gains; the ideal list has min(K, true items) hits at the top (Jarvelin, Kekalainen 2002)."""
    discount = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate([[np.nan], np.cumsum(discount)])[np.minimum(sizes, k)]
    width = min(k, hit.shape[1])
    return np.asarray(hit[:, :width] @ discount[:width] / ideal, dtype=np.float64)


def mrr(hit: Bools, k: int) -> Floats:
    """Reciprocal rank of the first hit within K; 0 without one."""
    first = hit[:, :k]
    return np.asarray(np.where(first.any(1), 1.0 / (first.argmax(1) + 1), 0.0), dtype=np.float64)


def hit_rate(hit: Bools, k: int) -> Floats:
    """1 for a user with a hit within K, else 0."""
    return np.asarray(hit[:, :k].any(1), dtype=np.float64)


def coverage(lists: Ints, items: int, k: int) -> float:
    """Share of the catalogue that stands in at least one list's first K; 0 for an empty catalogue."""
    shown = np.unique(lists[:, :k])
    return float((shown != PAD).sum() / items) if items else 0.0


def auc_by_group(group: Ints, label: Bools, score: npt.NDArray[np.floating]) -> tuple[npt.NDArray[np.int64], Floats]:
    """AUC within each group: the chance that a positive scores above a negative, ties counting half.

    Computed from mid-ranks (Mann-Whitney U), all groups at once. With users as groups, its mean over users is the
    GAUC; with one group it is the AUC.

    Args:
        group: [n] group of each scored pair.
        label: [n] true for positives.
        score: [n] higher is better; a NaN is refused.

    Returns:
        The groups that have both a positive and a negative, ascending, and their AUC.

    Raises:
        ValueError: a score is NaN.
    """
    if np.isnan(score).any():
        raise ValueError(f"auc_by_group: {int(np.isnan(score).sum())} of {len(score)} scores are NaN; expected numbers")
    names, dense = np.unique(group, return_inverse=True)
    order = np.lexsort((score, dense))
    g, s, y = dense[order], score[order], label[order].astype(bool)
    place = np.arange(len(g), dtype=np.float64)
    tie = np.concatenate([[True], (g[1:] != g[:-1]) | (s[1:] != s[:-1])]) if len(g) else np.zeros(0, bool)
    tie_number = np.cumsum(tie) - 1
    middle = (np.bincount(tie_number, place) / np.bincount(tie_number))[tie_number] if len(g) else place
    size = np.bincount(g, minlength=len(names))
    rank = middle - (np.cumsum(size) - size)[g] + 1.0
    positive = np.bincount(g[y], minlength=len(names)).astype(np.float64)
    negative = size - positive
    above = np.bincount(g[y], rank[y], minlength=len(names)) - positive * (positive + 1) / 2
    defined = (positive > 0) & (negative > 0)
    return names[defined].astype(np.int64), above[defined] / (positive * negative)[defined]


def auc(label: Bools, score: npt.NDArray[np.floating]) -> float:
    """AUC of one set of pairs; NaN where one class is missing."""
    value = auc_by_group(np.zeros(len(label), np.int64), label, score)[1]
    return float(value[0]) if len(value) else float("nan")


@dataclass(frozen=True)
class Estimate:
    """A mean over users with its percentile-bootstrap interval."""

    mean: float
    low: float
    high: float
    users: int

    @property
    def interval(self) -> tuple[float, float]:
        return self.low, self.high

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


NOTHING = Estimate(float("nan"), float("nan"), float("nan"), 0)


def bootstrap(
    values: Floats, *, groups: Ints | None = None, rounds: int = 1000, level: float = 0.95, seed: int = 0
) -> Estimate:
    """Mean over users and the percentile interval of the mean under resampling of users (Efron 1979).

    Args:
        values: [users]; NaN (a user whom the metric does not judge) is left out.
        groups: [users] rows of one shopper share a number and are drawn together: one user judged on several days.
        rounds: resamples.
        level: share of resampled means inside the interval.
        seed: of the resampling; the same values and seed give the same interval.
    """
    judged = ~np.isnan(values)
    if not judged.any():
        return NOTHING
    kept = np.stack([values[judged], np.ones(int(judged.sum()))], 1)
    return _ratio(kept, None if groups is None else groups[judged], rounds, level, seed)


def paired_difference(
    a: Floats, b: Floats, *, groups: Ints | None = None, rounds: int = 1000, level: float = 0.95, seed: int = 0
) -> Estimate:
    """Mean of `a - b` over the users that both judge, with the paired bootstrap's interval.

    Args:
        a: [users] one metric of one ranker; `b`: of another, the same users in the same order.
        groups: see `bootstrap`.
    """
    if a.shape != b.shape:
        raise ValueError(f"paired_difference: a has {a.shape} users, b {b.shape}; expected the same users in both")
    return bootstrap(a - b, groups=groups, rounds=rounds, level=level, seed=seed)


def paired_ratio(
    a: Floats, b: Floats, *, groups: Ints | None = None, rounds: int = 1000, level: float = 0.95, seed: int = 0
) -> Estimate:
    """Mean of `a` over mean of `b` on the users that both judge, with the paired bootstrap's interval."""
    if a.shape != b.shape:
        raise ValueError(f"paired_ratio: a has {a.shape} users, b {b.shape}; expected the same users in both")
    both = np.stack([a, b], 1)
    judged = ~np.isnan(both).any(1)
    if not judged.any() or both[judged, 1].sum() == 0:
        return NOTHING
    return _ratio(both[judged], None if groups is None else groups[judged], rounds, level, seed)


def _ratio(both: Floats, groups: Ints | None, rounds: int, level: float, seed: int) -> Estimate:
    """Sum of the first column over sum of the second, resampled by row or by group of rows."""
    rows = len(both)
    if groups is not None:
        _, number = np.unique(groups, return_inverse=True)
        both = np.stack([np.bincount(number, both[:, column]) for column in (0, 1)], 1)
    drawn = _resampled(both, rounds, seed)
    ratios = drawn[:, 0] / np.where(drawn[:, 1] > 0, drawn[:, 1], np.nan)
    low, high = np.nanquantile(ratios, [(1 - level) / 2, (1 + level) / 2])
    total = both.sum(0)
    return Estimate(float(total[0] / total[1]), float(low), float(high), rows)


_DRAWS_KEPT = 4_000_000


def _resampled(values: Floats, rounds: int, seed: int) -> Floats:
    """[rounds, columns] means of resampled rows, a few million draws in memory at a time."""
    n = len(values)
    if rounds * n <= _DRAWS_KEPT:
        return np.asarray(_draws(n, rounds, seed) @ values / n)
    rng, step = np.random.default_rng(seed), max(1, _DRAWS_KEPT // n)
    sizes = [min(step, rounds - start) for start in range(0, rounds, step)]
    return np.concatenate([_counted(rng, size, n) @ values / n for size in sizes])


@lru_cache(maxsize=2)
def _draws(n: int, rounds: int, seed: int) -> Floats:
    """How often each resample draws each row. Every figure of an evaluation is resampled alike, so they are kept."""
    return _counted(np.random.default_rng(seed), rounds, n)


def _counted(rng: np.random.Generator, rounds: int, n: int) -> Floats:
    drawn = rng.integers(0, n, (rounds, n)) + np.arange(rounds)[:, None] * n
    return np.bincount(drawn.ravel(), minlength=rounds * n).reshape(rounds, n).astype(np.float64)
