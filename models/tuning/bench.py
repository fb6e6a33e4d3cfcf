"""Where one configuration is tried: both stages taught as of a day and judged on the days after the next window.

    ... known | labels: the ranker learns | judged
            teach                       judge

Nothing that is taught or chosen here knows a day that it is judged on.
"""

import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lake.clock import DayRange, shift
from lake.errors import BadInput
from lake.settings import Settings
from models import labels, metrics
from models.candidates import two_tower_data
from models.candidates.union import Union, make_sources
from models.config import EventWeights, TrainingConfig
from models.device import Device
from models.ranking import examples, scoring
from models.ranking.examples import Examples
from models.snapshot import Snapshot

log = logging.getLogger("nightshelf.tuning")

K = 20
FEWEST = 20
"""Shoppers to learn from, and to judge by, that a search needs."""
MOST_JUDGED = 4_000
"""More shoppers make trials longer, hardly better told apart."""

Arrays = Mapping[str, NDArray[Any]]
Watch = Callable[[int, float], None]


def fit_towers(
    snapshot: Snapshot, config: TrainingConfig, held_out_days: int, device: Device, folder: Path, watch: Watch | None
) -> tuple[dict[str, NDArray[Any]], float]:
    """Train stage one on a snapshot but its last days; returns its arrays and the recall on these days.

    Raises:
        BadInput: nothing to train on, or nobody to judge by; or the loss became no number.
    """
    data = two_tower_data.inputs(snapshot, config, held_out_days)
    for name, what in (("target", "a shopper who came back before"), ("held_user", "a known shopper in")):
        if len(data[name]) < FEWEST:
            raise BadInput(
                f"two_tower: found {len(data[name])} times {what} the {held_out_days} days up to {snapshot.as_of}, "
                f"{FEWEST} are needed; give a later --ds or a longer log"
            )
    from models.candidates import two_tower  # chooses the legacy Keras for the whole process

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    two_tower_data.save(data, folder / "tried.npz")
    try:
        fitted = two_tower.fit("tried", folder, config, device, None, watch)
        with np.load(folder / "tried" / "arrays.npz", allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}, float(fitted["recall"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _forget()


@dataclass(frozen=True)
class Judged:
    """Shoppers of the judged window with their candidates.

    Attributes:
        examples: those with a true item among their candidates; the others have NDCG 0 whatever ranks them.
        sizes: int64 `[queries]`, true items of each query, proposed or not.
        users: ids of all judged shoppers, ascending.
    """

    examples: Examples
    sizes: NDArray[np.int64]
    users: NDArray[np.object_]

    def ndcg(self, ranker: Arrays) -> NDArray[np.float64]:
        """NDCG@20 of each of `users`."""
        ptr, score = self.examples.ptr, scoring.forward(ranker, self.examples.pairs)
        owner = np.repeat(np.arange(len(self.examples)), np.diff(ptr))
        order = np.lexsort((-score, owner))
        place = np.arange(len(order)) - ptr[owner]
        first = place < K
        hit = np.zeros((len(self.examples), K), np.bool_)
        hit[owner[first], place[first]] = self.examples.gain[order[first]] > 0
        found = np.zeros(len(self.users))
        asked = self.examples.user.astype(str)
        found[np.searchsorted(self.users.astype(str), asked)] = metrics.ndcg(hit, self.sizes, K)
        return found


@dataclass(frozen=True)
class Bench:
    """See the module.

    Attributes:
        teach, judge: as of the last day before the window that teaches and the one that judges.
        days: length of each window.
        folder: for what a fit writes; removed after it.
    """

    settings: Settings
    teach: Snapshot
    judge: Snapshot
    days: int
    device: Device
    folder: Path

    @property
    def window(self) -> DayRange:
        """The days that are judged."""
        return DayRange(shift(self.judge.as_of, 1), shift(self.judge.as_of, self.days))

    def towers(self, config: TrainingConfig, watch: Watch | None = None) -> Arrays | None:
        """Stage one as a training makes it; None where it is no source."""
        if "two_tower" not in config.sources:
            return None
        return fit_towers(self.teach, config, self.days, self.device, self.folder, watch)[0]

    def lessons(self, config: TrainingConfig, towers: Arrays | None) -> Examples:
        """What the ranker learns from, as in a training: queries for lists of everything and of what is new to one.

        Raises:
            BadInput: too few shoppers, or none of them liked some candidates and left others.
        """
        first, last = shift(self.teach.as_of, 1), self.judge.as_of
        gains = labels.gains(self.settings, first, last, config.event_weights)
        both = (False, True)
        made = Examples.concatenate(self._examples(self.teach, config, towers, gains, config.max_queries, both))
        told_apart = sum(len(np.unique(made.gain[a:b])) > 1 for a, b in zip(made.ptr, made.ptr[1:], strict=False))
        if told_apart < FEWEST:
            raise BadInput(
                f"ranker: {told_apart} of {len(made)} shoppers with candidates touched on {first}..{last} "
                f"left others, {FEWEST} are needed; there is nothing to learn an order from"
            )
        return made

    def judged(self, config: TrainingConfig, towers: Arrays | None) -> Judged:
        """Whom rankers are judged by.

        Raises:
            BadInput: too few shoppers.
        """
        window = self.window
        gains = labels.gains(self.settings, window.first, window.last, EventWeights())
        users = np.array([user for user in sorted(gains) if user in self.judge.user_index], dtype=object)
        if len(users) > MOST_JUDGED:
            drawn = np.random.default_rng(config.seed).choice(len(users), MOST_JUDGED, replace=False)
            users = users[np.sort(drawn)]
        if len(users) < FEWEST:
            raise BadInput(f"{len(users)} known shoppers have an event in {window}, {FEWEST} are needed to judge by")
        mine = {user: gains[user] for user in users}
        [made] = self._examples(self.judge, config, towers, mine, len(users), (False,))
        return Judged(made, np.array([len(gains[user]) for user in made.user], np.int64), users)

    def _examples(
        self,
        snapshot: Snapshot,
        config: TrainingConfig,
        towers: Arrays | None,
        gains: Mapping[str, Mapping[str, float]],
        most: int,
        only_new: tuple[bool, ...],
    ) -> list[Examples]:
        union = Union(make_sources(config, towers), config, snapshot)
        bounds = {"max_queries": most, "seed": config.seed, "memory_mb": self.settings.scoring_memory_mb}
        return [examples.build(union, gains, only_new=new, **bounds) for new in only_new]

    def ranker(self, config: TrainingConfig, lessons: Examples, watch: Callable[[int, Arrays], None]) -> Arrays:
        """Train a ranker; `watch` hears of it after each epoch and may end it by raising."""
        from models.ranking import wide_deep

        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            return wide_deep.fit(lessons, config.ranker, self.device, self.folder, seed=config.seed, watch=watch).arrays
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
            _forget()


def _forget() -> None:
    """Lets go of the graphs of finished fits, which both Keras keep."""
    import keras
    import tensorflow as tf

    keras.utils.clear_session()
    tf.keras.backend.clear_session()
