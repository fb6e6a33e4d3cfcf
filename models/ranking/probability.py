"""How likely it is that a shopper touches an item soon: a calibrated probability beside the ranker's score.

Scores order one shopper's candidates and mean nothing between shoppers. The probability is that of an event of the
shopper with the item in the days of a label window (`window_days` of the bundle), whether or not the shopper comes at
all. It is a logistic regression on the score as a share of the shopper's candidates and on what is known of the
shopper, learned where a ranker met a window that it had not seen (Platt, 1999, with more than one input).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.interface import Floats, Ints

Arrays = Mapping[str, NDArray[Any]]
PREFIX = "chance_"
FEWEST_HITS = 20
"""Touched pairs without which nothing is learned."""


def inputs(batch: Ints, score: Floats, shopper: Floats) -> Floats:
    """What the probability depends on, float32 `[pairs, inputs]`.

    Args:
        batch: `[pairs]`, the shopper's position in a batch that holds all candidates of its shoppers; ascending.
        score: `[pairs]`, the ranker's.
        shopper: `[pairs, features]`, how often, how lately and how much the shopper comes: `PairFeatures.shoppers`.
    """
    start = np.flatnonzero(np.r_[True, batch[1:] != batch[:-1]]) if len(batch) else np.zeros(0, np.int64)
    lengths = np.diff(np.append(start, len(batch)))
    order = np.lexsort((-score, batch))
    place = np.empty(len(batch), np.float32)
    place[order] = np.arange(len(batch)) - np.repeat(start, lengths)
    best = np.repeat(np.maximum.reduceat(score, start), lengths) if len(batch) else score
    total = np.repeat(np.add.reduceat(np.exp(score - best), start), lengths) if len(batch) else score
    share = score - best - np.log(np.maximum(total, 1e-9))
    return np.column_stack([share, np.log1p(place), shopper]).astype(np.float32)


def learn(seen: Sequence[tuple[Floats, NDArray[np.bool_]]]) -> dict[str, NDArray[Any]]:
    """Fit one regression a kind of list, lists of everything and lists of new items.

    Args:
        seen: for each kind the inputs `[pairs, inputs]` and whether the pair was touched in the window.

    Returns:
        Arrays to keep beside the ranker's; none where too little was touched to learn from.
    """
    from sklearn.linear_model import LogisticRegression

    if min(int(touched.sum()) for _, touched in seen) < FEWEST_HITS:
        return {}
    kinds: list[tuple[Floats, Floats, Floats, Floats]] = []
    for values, touched in seen:
        mean, spread = values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)
        spread = np.where(spread > 1e-6, spread, 1.0)
        model = LogisticRegression(C=1.0, max_iter=200).fit((values - mean) / spread, touched)
        kinds.append(tuple(np.asarray(a, np.float32) for a in (model.coef_[0], model.intercept_[0], mean, spread)))  # type: ignore[arg-type]
    names = ("weights", "constant", "mean", "spread")
    return {PREFIX + name: np.stack([kind[n] for kind in kinds]) for n, name in enumerate(names)}


def probabilities(arrays: Arrays, values: Floats, *, only_new: bool) -> Floats:
    """float32 `[pairs]` between 0 and 1; NaN where the ranker was never held against days to learn from.

    Args:
        arrays: a ranker's.
        values: see `inputs`.
        only_new: whether the candidates are those of a list of new items.
    """
    if f"{PREFIX}weights" not in arrays:
        return np.full(len(values), np.nan, np.float32)
    weights, constant, mean, spread = (
        arrays[PREFIX + name][int(only_new)] for name in ("weights", "constant", "mean", "spread")
    )
    logit = ((values - mean) / spread) @ weights + constant
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logit, -30.0, 30.0))), np.float32)
