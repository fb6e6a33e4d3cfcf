"""A study with a planted optimum instead of a training: kept, gone on with, pruned, and never longer than told."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from lake.errors import BadInput, Unavailable
from models.config import RankerConfig, TrainingConfig
from models.tuning import study as studies
from models.tuning.budget import Budget
from models.tuning.space import RANGES, values_of
from models.tuning.study import Search, Watch

REPOSITORY = Path(__file__).resolve().parents[3]
SPACE = {name: RANGES[name] for name in ("ranker.dropout", "ranker.batch_queries")}
BASE = TrainingConfig(ranker=RankerConfig(dropout=0.5, batch_queries=128))


def truth(config: TrainingConfig) -> float:
    """Best at a dropout of 0.2 and small batches."""
    return 1.0 - abs(config.ranker.dropout - 0.2) - config.ranker.batch_queries / 1000


def planted(config: TrainingConfig, watch: Watch) -> float:
    for epoch in (1, 2, 3):
        watch(epoch, truth(config) * epoch / 3)
    return truth(config)


def search(study: optuna.Study | None = None, **more: Any) -> Search:
    return Search(study or optuna.create_study(direction="maximize"), SPACE, BASE, "NDCG@20", **more)


def never() -> float:
    return 0.0


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_first_trial_is_what_was_given_and_better_is_found() -> None:
    told: list[int] = []
    mine = search(told=lambda trial: told.append(trial.number))
    mine.run(planted, Budget(60), 20, never)
    assert mine.study.trials[0].params == values_of(BASE, SPACE)
    assert mine.given is not None
    assert mine.given.number == 0
    assert truth(mine.chosen) > truth(BASE) + 0.2
    assert told == list(range(20))
    assert mine.figures()["finished"] + mine.figures()["pruned"] == 20


def test_the_same_seed_proposes_the_same() -> None:
    one, other = search(), search()
    one.run(planted, Budget(60), 9, never)
    other.run(planted, Budget(60), 9, never)
    assert [trial.params for trial in one.study.trials] == [trial.params for trial in other.study.trials]
    assert len({str(trial.params) for trial in one.study.trials}) == 9


def test_what_lies_behind_the_median_is_pruned() -> None:
    mine = search()
    mine.run(planted, Budget(60), 20, never)
    pruned = mine.of(TrialState.PRUNED)
    assert pruned
    assert all(trial.number >= studies.FIRST_TRIALS for trial in pruned)
    assert {len(trial.intermediate_values) for trial in pruned} == {studies.FIRST_EPOCHS}
    finished = [trial.intermediate_values[2] for trial in mine.of(TrialState.COMPLETE)]
    assert all(trial.intermediate_values[2] < max(finished) for trial in pruned)


def test_a_trial_that_would_run_over_ends_at_its_next_epoch_and_the_reserve_is_kept() -> None:
    clock, reserve = Clock(), 30.0
    budget = Budget(100, clock)

    def slow(config: TrainingConfig, watch: Watch) -> float:
        for epoch in range(1, 4):
            clock.now += 9
            watch(epoch, 0.5)
        return 0.5

    mine = search()
    mine.run(slow, budget, None, lambda: reserve)
    assert 70 <= clock.now < 80
    last = mine.study.trials[-1]
    assert last.state == TrialState.PRUNED
    assert last.user_attrs["why"] == "the time was over"
    assert mine.counted == 3


def test_the_first_trial_is_tried_again_where_the_time_was_too_short_for_it() -> None:
    mine, clock = search(), Clock()

    def endless(config: TrainingConfig, watch: Watch) -> float:
        clock.now += 100
        watch(1, 0.5)
        return 0.5

    mine.run(endless, Budget(50, clock), None, never)
    assert (mine.best, mine.chosen) == (None, BASE)
    mine.run(planted, Budget(60), 3, never)
    assert mine.given is not None
    assert mine.given.params == values_of(BASE, SPACE)


def test_a_signal_ends_it_with_the_best_so_far() -> None:
    mine, budget = search(), Budget(60)

    def told_to_stop(config: TrainingConfig, watch: Watch) -> float:
        if mine.counted == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return planted(config, watch)

    before = signal.getsignal(signal.SIGTERM)
    with budget.ended_by():
        mine.run(told_to_stop, budget, None, never)
    assert signal.getsignal(signal.SIGTERM) == before
    assert [trial.state for trial in mine.study.trials] == [TrialState.COMPLETE] * 3 + [TrialState.PRUNED]
    assert mine.best is not None


def test_settings_that_cannot_be_trained_count_as_tried_unless_they_are_the_given_ones() -> None:
    def fragile(config: TrainingConfig, watch: Watch) -> float:
        if config.ranker.dropout < 0.4:
            raise BadInput("the loss became nan")
        return planted(config, watch)

    mine = search()
    mine.run(fragile, Budget(60), 8, never)
    assert {trial.user_attrs["why"] for trial in mine.of(TrialState.PRUNED)} >= {"the loss became nan"}
    assert mine.chosen.ranker.dropout >= 0.4

    def hopeless(config: TrainingConfig, watch: Watch) -> float:
        raise BadInput("no features")

    with pytest.raises(BadInput, match="no features"):
        search().run(hopeless, Budget(60), None, never)


CHILD = """
import sys, time
from pathlib import Path
from models.tuning import study as studies
from models.tuning.budget import Budget
sys.path.insert(0, str(Path(sys.argv[2]).parent))
from test_study import planted, search
path = Path(sys.argv[1])
with studies.alone(path):
    mine = search(studies.opened(path, "s"))
    def objective(config, watch):
        if mine.counted == 7:
            print("working", flush=True)
            time.sleep(60)
        return planted(config, watch)
    mine.run(objective, Budget(60), 12, lambda: 0.0)
"""


def test_a_killed_search_goes_on_as_one_that_was_not_killed(tmp_path: Path) -> None:
    path = tmp_path / "tuning" / "s.db"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", CHILD, str(path), __file__]
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "working\n"
    with pytest.raises(Unavailable, match="another search"), studies.alone(path):
        pass
    child.send_signal(signal.SIGKILL)
    child.wait(10)

    with studies.alone(path):
        mine = search(studies.opened(path, "s"))
        assert (mine.counted, mine.figures()["killed"]) == (7, 1)
        started = time.monotonic()
        mine.run(planted, Budget(60), 12, never)
        assert time.monotonic() - started < 30
    assert mine.counted == 12

    whole = search()
    whole.run(planted, Budget(60), 12, never)
    told = [json.dumps(trial.params) for trial in mine.study.trials if trial.state != TrialState.FAIL]
    assert told == [json.dumps(trial.params) for trial in whole.study.trials]


def test_a_file_that_is_no_study_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    path.write_text("not a database, but long enough to be looked at" * 100)
    with pytest.raises(BadInput, match="no study"):
        studies.opened(path, "s")
