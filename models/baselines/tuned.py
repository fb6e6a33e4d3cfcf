"""The baselines at their best: each tuned on the days before the cut and blended with the shopper's own items.

The validation window is as long as the test window and ends at the cut; what is tuned on it knows only the days before
it, and is then fitted anew on all days up to the cut. Lists of never-touched items are tuned for themselves. An item's
score is `model + own x own items + popular x popularity`, each scaled so that the largest is 1; the weights are chosen
on the validation window like the rest.
"""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from models.baselines.families import FAMILIES, Family, Parameters, Scores
from models.baselines.light import Lists, top
from models.baselines.validation import Blend, Validation, scaled
from models.interactions import Interactions, batches
from models.interface import Floats, Ints
from models.snapshot import Snapshot

log = logging.getLogger(__name__)

POPULAR_DAYS = (14, 3, 7, 30)
HALF_LIVES = (120.0, 7.0, 30.0, 365.0)
ALL_BLENDS = tuple(Blend(own, popular) for popular in (0.01, 0.2) for own in (1.0, 0.3, 3.0, 10.0))
NEW_BLENDS = tuple(Blend(0.0, popular) for popular in (0.01, 0.001, 0.1, 0.3))
OWN_BLENDS = tuple(Blend(1.0, popular) for popular in (0.01, 0.001, 0.1, 0.3))
POPULAR_ALONE = Blend(0.0, 1.0)
"""Of each grid the first stands where nothing can be tuned: a log shorter than two windows."""

POPULAR, OWN = "popular (tuned)", "own items (tuned)"
TARGETS = ("all", "new")


@dataclass(frozen=True)
class Choice:
    """One baseline's numbers for one target, and the NDCG@20 that they had on the validation window."""

    popular_days: int
    half_life: float
    parameters: Parameters
    blend: Blend
    ndcg: float

    def figures(self) -> dict[str, float]:
        found = {"popular_days": self.popular_days, "popular_weight": self.blend.popular, **self.parameters}
        if self.blend.own:
            found |= {"own_half_life": self.half_life, "own_weight": self.blend.own}
        return found | {"validation_ndcg": self.ndcg}


@dataclass(eq=False)
class TunedBaseline:
    """A `ListMaker` that also scores pairs; fitted on the log up to the cut when it is first asked.

    Attributes:
        family: what is blended with own and popular items; None for these two by themselves.
        choices: target -> numbers.
    """

    log: Interactions
    family: Family | None
    choices: Mapping[str, Choice]
    _fitted: dict[tuple[tuple[str, float], ...], Scores] = field(default_factory=dict)

    def __call__(self, snapshot: Snapshot, users: Sequence[str], k: int, only_new: bool) -> Lists:
        return top(snapshot, users, k, only_new, self._scores("new" if only_new else "all"))

    def score_pairs(self, snapshot: Snapshot, users: Sequence[str], items: Sequence[str]) -> Floats:
        """float32 `[pairs]`, the score by which all items are ranked."""
        names, number = np.unique(np.asarray(users, object).astype(str), return_inverse=True)
        rows, wanted = snapshot.rows_of(names.tolist()), snapshot.items_of(items)
        scores, found = self._scores("all"), np.zeros(len(items), np.float32)
        for part in batches(len(names), self.log.items):
            here = (number >= part.start) & (number < part.stop)
            found[here] = scores(rows[part])[number[here] - part.start, wanted[here]]
        return found

    def figures(self) -> dict[str, dict[str, float]]:
        """Target -> the numbers chosen."""
        return {target: choice.figures() for target, choice in self.choices.items()}

    def _scores(self, target: str) -> Scores:
        choice = self.choices[target]
        popularity = choice.blend.popular * self.log.popularity(choice.popular_days)
        own = self.log.habit(choice.half_life) if choice.blend.own else None
        model = self._model(choice.parameters)

        def scores(rows: Ints) -> Floats:
            known = np.flatnonzero(rows >= 0)
            block = np.tile(popularity, (len(rows), 1))
            if own is not None:
                block[known] += np.float32(choice.blend.own) * own[rows[known]].toarray()
            if model and len(known):
                block[known] += scaled(model(rows[known]))
            return block

        return scores

    def _model(self, parameters: Parameters) -> Scores | None:
        """The family fitted on the log; once where both targets chose the same."""
        key = tuple(sorted(parameters.items()))
        if self.family and key not in self._fitted:
            self._fitted[key] = self.family.fit(self.log, parameters)
        return self._fitted.get(key)


def tuned(snapshot: Snapshot, days: int) -> tuple[dict[str, TunedBaseline], dict[str, str]]:
    """All baselines, tuned for a test window of `days` days after the snapshot's.

    Returns:
        Name -> baseline, and name -> why it was left out.
    """
    started = time.monotonic()
    whole = Interactions.of(snapshot)
    window = Validation.of(whole, days)
    popular = {target: _best(_popular(window, target)) for target in TARGETS}
    own = _best(_own(window, popular["all"].popular_days))
    made = {
        POPULAR: TunedBaseline(whole, None, popular),
        OWN: TunedBaseline(whole, None, {"all": own, "new": popular["new"]}),
    }
    left_out: dict[str, str] = {}
    for family in FAMILIES:
        name = f"{family.name} + own"
        if family.most_items is not None and whole.items > family.most_items:
            left_out[name] = (
                f"the catalogue has {whole.items} items; {family.name} takes part up to {family.most_items}"
            )
            log.warning("%s: %s", name, left_out[name])
            continue
        found = _family(window, family, popular, own.half_life)
        made[name] = TunedBaseline(whole, family, {t: _best(choices) for t, choices in found.items()})
    log.info("baselines tuned on %d shoppers in %.1f s", len(window.rows), time.monotonic() - started)
    return made, left_out


def _popular(window: Validation, target: str) -> Iterable[Choice]:
    for days in POPULAR_DAYS:
        popularity = window.log.popularity(days)
        ndcg = window.ndcg(None, window.log.touched, popularity, [POPULAR_ALONE], target == "new")
        yield Choice(days, 0.0, {}, POPULAR_ALONE, float(ndcg[0]))


def _own(window: Validation, days: int) -> Iterable[Choice]:
    for half_life in HALF_LIVES:
        own = window.log.habit(half_life)
        ndcg = window.ndcg(None, own, window.log.popularity(days), OWN_BLENDS, False)
        for blend, value in zip(OWN_BLENDS, ndcg, strict=True):
            yield Choice(days, half_life, {}, blend, float(value))


def _family(
    window: Validation, family: Family, popular: Mapping[str, Choice], half_life: float
) -> Mapping[str, list[Choice]]:
    """Target -> every point of the family's grid with every blend; each point is fitted once for both targets."""
    own = window.log.habit(half_life)
    found: dict[str, list[Choice]] = {target: [] for target in TARGETS}
    for parameters in family.grid if len(window.rows) else family.grid[:1]:
        model = family.fit(window.log, parameters) if len(window.rows) else None
        for target, blends in zip(TARGETS, (ALL_BLENDS, NEW_BLENDS), strict=True):
            days = popular[target].popular_days
            ndcg = window.ndcg(model, own, window.log.popularity(days), blends, target == "new")
            found[target] += [
                Choice(days, half_life, parameters, blend, float(value))
                for blend, value in zip(blends, ndcg, strict=True)
            ]
    return found


def _best(choices: Iterable[Choice]) -> Choice:
    """The highest NDCG; the first of equal ones, and of those that could not be measured."""
    return max(choices, key=lambda choice: choice.ndcg)
