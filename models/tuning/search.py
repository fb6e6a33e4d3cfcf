"""A search from end to end: which days it uses, one stage after another, and the check on days that it never saw.

With label windows of h days and T the as-of day:

    ... T-3h | the ranker learns | T-2h | every trial is judged | T-h | the check | T

Stage one is judged by its recall, the ranker by NDCG@20 with stage one as found (or as given). The check trains the
given and the found settings with everything one window later and compares them on the last window, shopper by shopper.
"""

import logging
import re
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from lake.clock import shift
from lake.errors import BadInput
from lake.settings import Settings
from models import metrics
from models.config import TrainingConfig
from models.device import Device
from models.snapshot import Snapshot
from models.stages import fingerprint
from models.tuning import study as studies
from models.tuning.bench import Bench, fit_towers
from models.tuning.budget import Budget, Over
from models.tuning.days import window_days
from models.tuning.runs import Runs
from models.tuning.space import Stage, free, key
from models.tuning.study import Search, Watch
from models.tuning.verdict import verdict

log = logging.getLogger("nightshelf.tuning")

STAGES: dict[str, tuple[Stage, ...]] = {
    "two_tower": ("two_tower",),
    "ranker": ("ranker",),
    "both": ("two_tower", "ranker"),
}
MEASURES: dict[Stage, str] = {"two_tower": "recall@100", "ranker": "NDCG@20"}
GROWTH = 1.3
"""How much longer the check's trainings may take than the trials', with a window more to learn from."""
SETTLED = "settled"


@dataclass
class Hunt:
    """What one call of the search works with.

    Attributes:
        given: the settings as given; what they set explicitly is not searched.
        days: length of a window.
        path: the studies' file.
        trials: counted trials of a stage at most.
        figures: what each stage's study holds.
    """

    settings: Settings
    ds: date
    given: TrainingConfig
    days: int
    path: Path
    budget: Budget
    device: Device
    trials: int | None
    runs: Runs
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """What a fit writes; removed after it."""
        return self.path.with_suffix(".work")

    def snapshot(self, windows_before: int) -> Snapshot:
        """As of the last day before that many windows."""
        return Snapshot.load(self.settings, shift(self.ds, -windows_before * self.days), exact=True)

    def bench(self, windows_before: int) -> Bench:
        """A bench that is taught as of that day."""
        teach, judge = self.snapshot(windows_before), self.snapshot(windows_before - 1)
        return Bench(self.settings, teach, judge, self.days, self.device, self.folder)

    def two_tower(self, base: TrainingConfig, last: bool) -> TrainingConfig:
        """Search stage one; returns `base` with what was found.

        Args:
            last: no stage follows; else half of the time is left to it, and what was found stays as it is in later
                calls, too, because the ranker's trials are comparable only under one and the same stage one.
        """
        known = self.snapshot(1)
        search = self._search("two_tower", base, [known])
        if not (search.study.user_attrs.get(SETTLED) and not last):

            def objective(config: TrainingConfig, watch: Watch) -> float:
                return fit_towers(known, config, self.days, self.device, self.folder, watch)[1]

            # The check fits both stages anew, twice.
            reserve = (lambda: self._reserve(4 * search.longest)) if last else (lambda: self.budget.seconds / 2)
            search.run(objective, self.budget, self.trials, reserve)
            if not last and not self.budget.stopped and search.given:
                search.study.set_user_attr(SETTLED, True)
        self.figures["two_tower"] = search.figures()
        return search.chosen

    def ranker(self, base: TrainingConfig) -> TrainingConfig:
        """Search the ranker under the stage one of `base`; returns `base` with what was found."""
        bench = self.bench(3)
        search = self._search("ranker", base, [bench.teach, bench.judge])
        started = self.budget.spent
        try:
            towers = bench.towers(base, self.budget.check)
            self.budget.check()
            lessons, judged = bench.lessons(base, towers), bench.judged(base, towers)
            made = self.budget.spent - started
            log.info("ranker: %d shoppers to learn from, %d to judge by", len(lessons), len(judged.users))

            def objective(config: TrainingConfig, watch: Watch) -> float:
                ranker = bench.ranker(
                    config, lessons, lambda epoch, arrays: watch(epoch, float(judged.ndcg(arrays).mean()))
                )
                return float(judged.ndcg(ranker).mean())

            benches = 1 if base.two_tower == self.given.two_tower else 2
            search.run(objective, self.budget, self.trials, lambda: self._reserve(benches * made + 2 * search.longest))
        except Over:
            log.warning("the time was over before a trial of the ranker could begin")
        self.figures["ranker"] = search.figures()
        return search.chosen

    def _reserve(self, seconds: float) -> float:
        """Seconds kept for the check; none where it would take half of the time or more."""
        wanted = GROWTH * seconds
        return wanted if wanted < self.budget.seconds / 2 else 0.0

    def _search(self, stage: Stage, base: TrainingConfig, snapshots: list[Snapshot]) -> Search:
        space = free(stage, self.given)
        name = f"{stage}-{fingerprint([key(space), base.get_config(), self.days, *snapshots])[:16]}"
        measure = MEASURES[stage]
        return Search(
            studies.opened(self.path, name), space, base, measure, lambda t: self.runs.trial(stage, measure, t)
        )

    def check(self, found: TrainingConfig) -> metrics.Estimate | str:
        """NDCG@20 of the found settings minus that of the given ones on the last window, or why it is not known."""
        judged, ndcg = None, []
        try:
            self.budget.check()
            bench = self.bench(2)
            for config in (self.given, found):
                if judged is None or config.two_tower != self.given.two_tower:
                    towers = bench.towers(config, self.budget.check)
                    self.budget.check()
                    lessons, judged = bench.lessons(config, towers), bench.judged(config, towers)
                ranker = bench.ranker(config, lessons, self.budget.check)
                ndcg.append(judged.ndcg(ranker))
        except Over:
            return "it was told to stop" if self.budget.stopped else "the time was over"
        log.info("on %s: NDCG@20 %.4f as given, %.4f as found", bench.window, ndcg[0].mean(), ndcg[1].mean())
        return metrics.paired_difference(ndcg[1], ndcg[0])


def run(
    settings: Settings,
    ds: date,
    given: TrainingConfig,
    *,
    minutes: float,
    stage: str = "both",
    trials: int | None = None,
    study: str = "",
) -> dict[str, Any]:
    """Search, check, and choose; the same call again goes on where an earlier one ended or was killed.

    Args:
        given: what it sets explicitly is kept; the rest is searched from there.
        minutes: how long, import and check included; a trial that would run over is pruned at its next epoch.
        stage: a key of `STAGES`.
        trials: counted trials of each stage at most, those of earlier calls included.
        study: name of the file below VAR/tuning; default by day and space.

    Returns:
        ds, study, verdict, changed, config (the settings that differ from the defaults, as training's --config takes
        them), stages, check, window_days, seconds.

    Raises:
        BadInput: an argument makes no sense, the log is too short, or there is nothing to learn from or judge by.
        Unavailable: another search works on the same study.
    """
    budget = Budget(minutes * 60)
    stages = _checked(minutes, stage, trials, study, given)
    days = window_days(settings, ds, given)
    name = study or f"{ds}-{key({n: r for s in stages for n, r in free(s, given).items()}, stage, given.get_config())}"
    path = settings.var / "tuning" / f"{name}.db"
    with studies.alone(path), budget.ended_by():
        log.info("study %s: windows of %d days, %s minutes", path, days, f"{minutes:g}")
        runs = Runs(settings, {"study": name, "ds": ds.isoformat(), "stage": stage})
        hunt = Hunt(settings, ds, given, days, path, budget, _device(settings), trials, runs)
        found = given
        if "two_tower" in stages:
            found = hunt.two_tower(found, last=len(stages) == 1)
        if "ranker" in stages and budget.left > 0:
            found = hunt.ranker(found)
        gain = hunt.check(found) if found != given else "nothing to check"
        take, told = verdict(hunt.figures, found != given, gain)
        chosen = found if take else given
        result = {
            "ds": ds.isoformat(),
            "study": name,
            "verdict": told,
            "changed": take,
            "config": chosen.model_dump(mode="json", exclude_defaults=True),
            "stages": hunt.figures,
            "check": gain if isinstance(gain, str) else asdict(gain),
            "window_days": days,
            "seconds": round(budget.spent, 1),
        }
        runs.end(result)
    log.info("%s", told)
    return result


def _checked(minutes: float, stage: str, trials: int | None, study: str, given: TrainingConfig) -> tuple[Stage, ...]:
    if not minutes > 0:
        raise BadInput(f"--minutes {minutes:g}: a search needs time; give more than 0")
    if stage not in STAGES:
        raise BadInput(f"--stage {stage!r}: give {', '.join(STAGES)}")
    if trials is not None and trials < 1:
        raise BadInput(f"--trials {trials}: give 1 or more, or leave it out")
    if study and not re.fullmatch(r"[\w.-]+", study):
        raise BadInput(f"--study {study!r}: give letters, digits, dots, dashes and underscores")
    if "two_tower" in STAGES[stage] and "two_tower" not in given.sources:
        raise BadInput(f"--stage {stage}: two_tower is not among the sources {given.sources}; give --stage ranker")
    return STAGES[stage]


def _device(settings: Settings) -> Device:
    from models.candidates import two_tower  # noqa: F401  chooses the legacy Keras, before TensorFlow is imported
    from models.device import choose

    return choose(settings)
