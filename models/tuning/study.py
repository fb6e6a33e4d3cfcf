"""One Optuna study: kept in a file, gone on with after a kill, seeded trial by trial, bounded in time.

The first trial is the configuration as given, so that whatever is found is held against it. A trial is counted when it
ended by itself or was pruned; one whose process died is marked failed by whoever goes on, and its place is taken anew.
"""

import fcntl
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import DatabaseError

from lake.errors import BadInput, Unavailable
from models.config import TrainingConfig
from models.tuning.budget import Budget
from models.tuning.space import Space, applied, values_of

log = logging.getLogger("nightshelf.tuning")

optuna.logging.set_verbosity(optuna.logging.WARNING)

Watch = Callable[[int, float], None]
"""Told the number of an epoch, from 1, and its held-out figure; raises `optuna.TrialPruned` to end the trial."""
Objective = Callable[[TrainingConfig, Watch], float]
"""Trains with a configuration and returns the held-out figure; higher is better."""
FIRST_TRIALS, FIRST_EPOCHS = 5, 2
"""Whole trials before any is pruned, and the epochs that each may take."""
GIVEN, WHY = "given", "why"


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Holds the study's lock, so that a trial found running is one whose process died.

    Raises:
        Unavailable: another search holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Unavailable(
                f"another search works on {path}; wait for it, or give another name by --study"
            ) from error
        yield


def opened(path: Path, name: str) -> optuna.Study:
    """The study of that name in a SQLite file, made where there is none; hold `alone` while using it.

    Raises:
        BadInput: the file is no study.
    """
    try:
        storage = optuna.storages.RDBStorage(f"sqlite:///{path}", engine_kwargs={"connect_args": {"timeout": 30}})
    except (DatabaseError, RuntimeError) as error:
        raise BadInput(f"{path} holds no study ({error}); remove it or give another name by --study") from error
    study = optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        log.warning("trial %d of an earlier search was killed; it does not count", trial.number)
        study.tell(trial.number, state=TrialState.FAIL)
    return study


@dataclass
class Search:
    """A study at work.

    Attributes:
        study: see `opened`.
        space: what is varied.
        base: the configuration as given, the first trial.
        measure: what the objective returns, for people.
        told: hears of each trial that ended.
    """

    study: optuna.Study
    space: Space
    base: TrainingConfig
    measure: str
    told: Callable[[FrozenTrial], None] = lambda trial: None

    def __post_init__(self) -> None:
        self.study.pruner = MedianPruner(n_startup_trials=FIRST_TRIALS, n_warmup_steps=FIRST_EPOCHS)

    def run(self, objective: Objective, budget: Budget, trials: int | None, reserve: Callable[[], float]) -> None:
        """Try configurations until the time is over, but for a reserve, or there are `trials` counted ones.

        Args:
            reserve: seconds at the end that trials must not use; asked anew again and again.

        Raises:
            BadInput: the configuration as given cannot be trained with.
        """
        while budget.left > reserve() and (trials is None or self.counted < trials):
            # A seed for each counted trial: a search that was killed goes on as one that was not.
            self.study.sampler = TPESampler(seed=self.base.seed + self.counted, multivariate=True)
            if self.given is None and not self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
                self.study.enqueue_trial(values_of(self.base, self.space), user_attrs={GIVEN: True})
            self._try(self.study.ask(dict(self.space)), objective, budget, reserve)

    def _try(self, trial: Trial, objective: Objective, budget: Budget, reserve: Callable[[], float]) -> None:
        given = bool(trial.user_attrs.get(GIVEN))

        def watch(epoch: int, figure: float) -> None:
            trial.report(figure, epoch)
            if budget.left <= reserve():
                trial.set_user_attr(WHY, "the time was over")
                raise optuna.TrialPruned
            if not given and trial.should_prune():
                trial.set_user_attr(WHY, "behind the median")
                raise optuna.TrialPruned

        try:
            value = objective(applied(self.base, trial.params), watch)
            self.study.tell(trial, value)
        except optuna.TrialPruned:
            self.study.tell(trial, state=TrialState.PRUNED)
        except BadInput as error:
            if given:
                self.study.tell(trial, state=TrialState.FAIL)
                raise
            trial.set_user_attr(WHY, str(error))
            self.study.tell(trial, state=TrialState.PRUNED)
        done = self.study.trials[trial.number]
        self._progress(done, budget)
        self.told(done)

    def _progress(self, trial: FrozenTrial, budget: Budget) -> None:
        if trial.state == TrialState.COMPLETE:
            ended = f"{self.measure} {trial.value:.4f}"
        else:
            ended = f"pruned after {len(trial.intermediate_values)} epochs, {trial.user_attrs.get(WHY, '')}"
        best = self.best
        log.info(
            "trial %d: %s; best %s; %d counted; %.0f s, %s left",
            trial.number,
            ended,
            f"{best.value:.4f} (trial {best.number})" if best else "none yet",
            self.counted,
            trial.duration.total_seconds() if trial.duration else 0.0,
            budget.told(),
        )

    def of(self, *states: TrialState) -> list[FrozenTrial]:
        """The trials that ended in one of some ways, in order."""
        return self.study.get_trials(deepcopy=False, states=states)

    @property
    def counted(self) -> int:
        """Trials that ended or were pruned."""
        return len(self.of(TrialState.COMPLETE, TrialState.PRUNED))

    @property
    def given(self) -> FrozenTrial | None:
        """The finished trial of the configuration as given."""
        return next((trial for trial in self.of(TrialState.COMPLETE) if trial.user_attrs.get(GIVEN)), None)

    @property
    def best(self) -> FrozenTrial | None:
        """The finished trial with the highest value; the first of equal ones."""
        return max(self.of(TrialState.COMPLETE), key=lambda trial: trial.value or 0.0, default=None)

    @property
    def longest(self) -> float:
        """Seconds of the longest finished trial; 0 before there is one."""
        return max((t.duration.total_seconds() for t in self.of(TrialState.COMPLETE) if t.duration), default=0.0)

    @property
    def chosen(self) -> TrainingConfig:
        """The best trial's configuration; the given one before any trial is finished."""
        return applied(self.base, self.best.params) if self.best else self.base

    def figures(self) -> dict[str, Any]:
        """What there was, as plain values."""
        given, best = self.given, self.best
        return {
            "measure": self.measure,
            "finished": len(self.of(TrialState.COMPLETE)),
            "pruned": len(self.of(TrialState.PRUNED)),
            "killed": len(self.of(TrialState.FAIL)),
            "given": given.value if given else None,
            "best": best.value if best else None,
            "best_trial": best.number if best else None,
        }
