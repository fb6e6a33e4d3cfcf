"""Which features moved an item: each one of today's exchanged for yesterday's, under one and the same ranker.

Scores compare items within a shopper only, so what counts is how an item moved against the others: a feature that fell
alike for all candidates (a shopper who stayed away) moves none of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.changes.making import Made
from models.changes.words import natural, phrase
from models.interface import Floats
from models.ranking.features import NAMES, Pairs
from models.ranking.scoring import forward, untrained

PLAIN = ("own_items", "popular")
"""What a bundle without a ranker orders by."""
NOTHING = 1e-6


@dataclass(frozen=True)
class FeatureChange:
    """One feature of an item, before and after.

    Attributes:
        text: what it is, for a person.
        before, after: in the feature's natural unit (days, counts, shares).
        effect: on the item's score, against the usual effect on the other candidates; the ranker's unit.
    """

    name: str
    text: str
    before: float
    after: float
    effect: float


@dataclass(frozen=True)
class Attribution:
    """How the data moved an item's score.

    Attributes:
        moved: change of its score against the usual change of the shopper's candidates.
        features: the strongest effects in the direction of the move first.
    """

    moved: float
    features: tuple[FeatureChange, ...]


def attribute(before: Made, after: Made, items: Sequence[str], most: int = 4) -> dict[str, Attribution]:
    """What moved items between two snapshots under one bundle.

    Args:
        before, after: of one shopper, by bundles of the same content.
        items: ids that both snapshots know.
        most: features told of an item.
    """
    others = [item for item in before.places if item in after.places]
    known = list(dict.fromkeys([*items, *others]))
    if not known:
        return {}
    effects, values = _effects(before, after, known)
    moved = effects[:, 0]
    effects = effects[:, 1:]
    if others:
        at = np.array([known.index(item) for item in others])
        moved, effects = moved - np.median(moved[at]), effects - np.median(effects[at], axis=0)
    names = NAMES if _has_ranker(after) else [f"{name}_relative" for name in PLAIN]
    told = {}
    for row, item in enumerate(items):
        sign = 1.0 if moved[row] >= 0 else -1.0
        order = np.argsort(-sign * effects[row], kind="stable")
        changed = [
            n for n in order[: 2 * most] if sign * effects[row, n] > NOTHING and values[0][row, n] != values[1][row, n]
        ]
        told[item] = Attribution(
            float(moved[row]),
            tuple(
                FeatureChange(
                    names[n],
                    phrase(names[n]),
                    natural(names[n], float(values[0][row, n])),
                    natural(names[n], float(values[1][row, n])),
                    float(effects[row, n]),
                )
                for n in changed[:most]
            ),
        )
    return told


def _has_ranker(made: Made) -> bool:
    # A shopper without a history is ordered by what sells, whatever the ranker learned.
    return made.making.bundle.ranker is not None and int(made.block.rows[0]) >= 0


def _effects(before: Made, after: Made, items: Sequence[str]) -> tuple[NDArray[np.float64], tuple[Floats, Floats]]:
    """`[items, 1 + features]`: change of the whole score, then what each feature alone does; and features' values."""
    if _has_ranker(after):
        return _of_ranker(before, after, items)
    return _of_plain_order(before, after, items)


def _of_ranker(before: Made, after: Made, items: Sequence[str]) -> tuple[NDArray[np.float64], tuple[Floats, Floats]]:
    arrays = after.making.bundle.ranker
    assert arrays is not None
    old, new = _pairs(before, items), _pairs(after, items)
    score_old, score_new = forward(arrays, old), forward(arrays, new)
    effects = np.zeros((len(items), 1 + len(NAMES)))
    effects[:, 0] = score_new - score_old
    changed = np.flatnonzero((old.dense != new.dense).any(axis=0))
    dense = np.tile(new.dense, (len(changed), 1, 1))
    dense[np.arange(len(changed)), :, changed] = old.dense[:, changed].T
    wide, item = np.tile(new.wide, (len(changed), 1)), np.tile(new.item, len(changed))
    if len(changed):
        exchanged = forward(arrays, Pairs(dense.reshape(-1, len(NAMES)), wide, item))
        effects[:, 1 + changed] = (score_new - exchanged.reshape(len(changed), -1)).T
    return effects, (old.dense, new.dense)


def _pairs(made: Made, items: Sequence[str]) -> Pairs:
    return made.making.features.of(made.block, made.pairs(items), only_new=made.making.recipe.surface.only_new)


def _of_plain_order(
    before: Made, after: Made, items: Sequence[str]
) -> tuple[NDArray[np.float64], tuple[Floats, Floats]]:
    """The plain order adds up its signals, so each one's effect is its own change."""
    both = [np.stack([_plain(made, name, items) for name in PLAIN], axis=1) for made in (before, after)]
    change = (both[1] - both[0]).astype(np.float64)
    values = [np.stack([_relative(made, name, items) for name in PLAIN], axis=1) for made in (before, after)]
    return np.concatenate([change.sum(axis=1, keepdims=True), change], axis=1), (values[0], values[1])


def _plain(made: Made, name: str, items: Sequence[str]) -> Floats:
    """What one signal adds to the score of items."""
    signals = {name: made.block.signals[name]} if name in made.block.signals else {}
    return untrained(replace(made.block, signals=signals), made.pairs(items))


def _relative(made: Made, name: str, items: Sequence[str]) -> Floats:
    """A signal of items as a share of the shopper's best."""
    if name not in made.block.signals:
        return np.zeros(len(items), np.float32)
    pairs = made.pairs(items)
    found = made.block.signals[name].at(pairs.batch, pairs.items)
    best = max(float(made.block.best[name][0]), 1e-9)
    return np.where(np.isfinite(found), found / best, 0.0).astype(np.float32)
