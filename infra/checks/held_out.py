"""The quality check of `make verify`: Online Retail on three cuts that nothing was chosen on, as shoppers would see it.

For each cut both stages are trained on what was known, every list is made and published to Redis under its own version,
and what stands there is held against baselines that were tuned before the cut. Settings of the models were chosen on
cuts up to 2011-09-18 only. Every run of this check leaves a line in `docs/verified/held_out_runs.jsonl`: who looks at a
held-out day often enough has chosen on it.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from infra.checks.cost import Cost
from infra.embedded import environment
from infra.embedded.commands import say
from infra.embedded.layout import HOME, StackSettings
from infra.embedded.lifecycle import Stack
from infra.embedded.programs import REDIS
from lake import storage
from lake.clock import DayRange
from lake.errors import Unavailable
from lake.settings import Settings

FOLDER = "verify-held-out"
FIRST, LAST = date(2010, 12, 1), date(2011, 12, 4)
CUTS = (date(2011, 10, 9), date(2011, 10, 30), date(2011, 11, 20))
MEASURED_BEFORE = {"all": (0.278, 0.314, 0.340), "new": (0.085, 0.106, 0.083)}
"""NDCG@20 of the best simple method on each cut, as measured by others before the first line was written: on all items,
and on never-bought ones."""
BARS = {
    "home": {"target": "all", "mean": 1.10, "lowest": 1.05, "low": 1.03},
    "discover": {"target": "new", "mean": 1.50, "lowest": 0.0, "low": 1.03},
}
"""By surface: the mean and the lowest ratio to the best tuned baseline, and the lower bound of the pooled interval."""
MOST_SECONDS = 600.0
"""Training and scoring of one cut."""


def check() -> tuple[dict[str, Any], bool]:
    """Run the check in the VAR folder that the environment gives; DATA names the log's files."""
    var = StackSettings().var / FOLDER
    stack = Stack(StackSettings(var=var), say)
    forget(var)
    cost, started = Cost(), datetime.now(UTC)
    try:
        with cost.watched():
            url = stack.up((REDIS,))["redis_url"]
            settings = shop_settings(var, url, environment.given(os.environ)["DATA"])
            load(settings, cost)
            versions = {cut: night(settings, cut, cost) for cut in CUTS}
            with cost.phase("evaluation"):
                found = evaluate(settings, versions)
    finally:
        stack.down()
    told = summary(found)
    figures = {**told, "faults": faults(told, cost), "bars": BARS, "versions": {f"{c}": v for c, v in versions.items()}}
    figures |= cost.figures()
    note_run(started, figures)
    return figures, not figures["faults"]


def forget(var: Path) -> None:
    """Remove what an earlier check left but its lake: events and features are the same, trainings are measured anew."""
    for path in var.glob("*"):
        if path.name != "lake":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def shop_settings(var: Path, redis_url: str, data: str) -> Settings:
    """A lake, a registry and a Redis of the check's own; versions stay until all cuts have been read back."""
    return Settings(
        var=var,
        lake_root=str(var / "lake"),
        data=data,
        mlflow_tracking_uri=f"sqlite:///{var}/mlflow.db",
        source=HOME / "sources" / "online_retail.yaml",
        pseudonymise=False,
        redis_url=redis_url,
        version_grace_seconds=86_400,
    )


def load(settings: Settings, cost: Cost) -> None:
    """Events of the whole log, and the features that the trainings read; both clocks keep later days out of them.

    What a check before has made is kept.
    """
    from jobs import day, land
    from jobs.spark import session
    from models.config import TrainingConfig
    from models.windows import Windows

    with session(settings, "held-out") as spark:
        if not storage.days(settings, "events"):
            with cost.phase("land and clean"):
                land.run(settings, DayRange(FIRST, LAST), history=True)
                for part in DayRange(FIRST, LAST).chunks(120):
                    day.run(settings, part, with_features=False, spark=spark)
        planned = {d for cut in CUTS for d in Windows.plan(settings, cut, TrainingConfig())["as_of"]}
        for each in day.missing_features(settings, sorted(map(date.fromisoformat, planned))):
            say(f"  features as of {each}")
            with cost.phase("features"):
                day.run(settings, None, [each], spark=spark)


def night(settings: Settings, cut: date, cost: Cost) -> str:
    """Train, list and publish as of a cut, each as its command does it; returns the bundle's version."""
    with cost.phase(f"training {cut}"):
        version = str(_command(settings, "models.training", "--ds", f"{cut}", "--promote", "never")["version"])
    with cost.phase(f"lists {cut}"):
        made = _command(settings, "jobs.lists", "--ds", f"{cut}", "--bundle", version)
    with cost.phase(f"publish {cut}"):
        _command(settings, "jobs.publish", "--ds", f"{cut}")
    say(f"  {cut}: bundle {version}, {made['users']} shoppers with lists")
    return version


def evaluate(settings: Settings, versions: Mapping[date, str]) -> Any:
    """All cuts, what stands in Redis included; the table is printed and the page left in VAR."""
    from models import evaluation, evaluation_report

    bundles = [f"{cut}={version}" for cut, version in versions.items()]
    found = evaluation.run(settings, list(versions), bundles=bundles, surfaces=evaluation.SURFACES)
    evaluation_report.deliver(
        settings, found, settings.var / "evaluation.json", settings.var / "evaluation.html", mlflow=False
    )
    return found


def summary(found: Any) -> dict[str, Any]:
    """By surface: NDCG@20 of each cut, its ratio to the best tuned baseline there and to what others had measured."""
    pooled, told = found.pooled(), {}
    for surface, bar in BARS.items():
        name, target = f"published {surface}", str(bar["target"])
        measure = f"{target}.ndcg"
        cuts = []
        for cut, before in zip(found.cuts, MEASURED_BEFORE[target], strict=True):
            best = cut.best_of(target)
            ndcg, rival = cut.rankers[name].estimate(measure), cut.rankers[best].estimate(measure)
            ratio = cut.ratio(name, best, measure)
            cuts.append(
                {
                    "cut": f"{cut.cut}",
                    "from": cut.notes.get(name),
                    "shoppers": ndcg.users,
                    "ndcg": _rounded(ndcg),
                    "best_baseline": best,
                    "best_baseline_ndcg": _rounded(rival),
                    "ratio": _rounded(ratio),
                    "ratio_to_measured_before": round(ndcg.mean / before, 4),
                }
            )
        whole = pooled.ratio(name, pooled.best_of(target), measure)
        ratios = [each["ratio"][0] for each in cuts]
        told[surface] = {
            "target": target,
            "cuts": cuts,
            "mean_ratio": round(sum(ratios) / len(ratios), 4),
            "lowest_ratio": min(ratios),
            "pooled_ratio": _rounded(whole),
            "mean_ratio_to_measured_before": round(sum(e["ratio_to_measured_before"] for e in cuts) / len(cuts), 4),
            "lowest_ratio_to_measured_before": min(each["ratio_to_measured_before"] for each in cuts),
        }
    return told


def _rounded(estimate: Any) -> list[float]:
    """Mean and the ends of the 95 % interval."""
    return [round(float(value), 4) for value in (estimate.mean, estimate.low, estimate.high)]


def faults(told: Mapping[str, Any], cost: Cost) -> list[str]:
    """Bars that are not met, as sentences."""
    found = []
    for surface, bar in BARS.items():
        figures = told[surface]
        for name, value in (
            ("mean", figures["mean_ratio"]),
            ("lowest", figures["lowest_ratio"]),
            ("low", figures["pooled_ratio"][1]),
        ):
            if value < float(bar[name]):  # type: ignore[arg-type]
                found.append(f"{surface}: {name} ratio to the best tuned baseline {value}, wanted {bar[name]}")
        elsewhere = [each["cut"] for each in figures["cuts"] if not str(each["from"]).startswith("Redis")]
        if elsewhere:
            found.append(f"{surface}: lists of {', '.join(elsewhere)} were not read back from Redis")
    for cut in CUTS:
        seconds = sum(cost.seconds.get(f"{phase} {cut}", 0.0) for phase in ("training", "lists"))
        if seconds > MOST_SECONDS:
            found.append(f"training and lists as of {cut} took {seconds:.0f} s, wanted {MOST_SECONDS:.0f}")
    return found


def note_run(started: datetime, figures: Mapping[str, Any], folder: Path = HOME / "docs" / "verified") -> None:
    """One more look at the held-out days, on record."""
    line: dict[str, Any] = {"started": f"{started:%Y-%m-%dT%H:%M:%SZ}"}
    for surface in BARS:
        names = ("mean_ratio", "lowest_ratio", "pooled_ratio", "mean_ratio_to_measured_before")
        line[surface] = {name: figures[surface][name] for name in names}
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "held_out_runs.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")


def _command(settings: Settings, module: str, *arguments: str) -> dict[str, Any]:
    """Run a command of ours in its own process; returns its last line.

    Raises:
        Unavailable: it failed; its log stands above.
    """
    names = ("var", "lake_root", "data", "mlflow_tracking_uri", "source", "pseudonymise", "redis_url")
    given = {name.upper(): str(getattr(settings, name)) for name in (*names, "version_grace_seconds")}
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=HOME, env=os.environ | given, stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise Unavailable(f"{module} {' '.join(arguments)} ended with code {done.returncode}; see the lines above")
    say(f"  {module} {' '.join(arguments)}: {time.monotonic() - started:.0f} s")
    return dict(json.loads(done.stdout.splitlines()[-1]))
