"""The drift check of `make verify`: two generated shops through the real jobs, judging and training, without Airflow.

Both are the same shop until the drift: its history trains a champion, and the nights before the drift are made and
judged once. Then the lake is copied; one copy goes on quietly until the champion has been judged on 30 nights, in the
other most shoppers like other things from one day on, and whenever judging asks for it, training is run. Retraining by
age is switched off (RETRAIN_EVERY_DAYS=0): every week it would give a champion that has seen the days before, and
here the first one must stand all quiet nights.
"""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.checks.cost import Cost
from infra.checks.drift_nights import DriftSettings, Night, Plan, faults, summary
from infra.embedded.commands import say
from infra.embedded.layout import HOME, Layout, StackSettings
from lake.clock import DayRange
from lake.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FOLDER = "verify-drift"
SHARED = ("lake", "bundles", "mlflow.db")
"""What the second shop takes over from the first; artifacts in MLflow are named by their place and stay there."""
DECIDING = (
    "judge_users",
    "judge_days",
    "judge_min_users",
    "auc_drop",
    "auc_floor",
    "retrain_every_days",
    "retrain_cooldown_days",
)
"""Settings that the verdict depends on."""


def shop_settings(var: Path) -> Settings:
    """Settings of one of the two shops: a lake, a registry and a cache of its own, whatever the environment names."""
    return Settings(
        var=var,
        lake_root=str(var / "lake"),
        data=str(var / "deliveries"),
        mlflow_tracking_uri=f"sqlite:///{var}/mlflow.db",
        source=HOME / "sources" / "demo_shop.yaml",
        pseudonymise=False,
        retrain_every_days=0,
    )


@dataclass
class Shop:
    """One shop being driven through its nights."""

    settings: Settings
    spark: "SparkSession"
    cost: Cost
    trainings: list[dict[str, Any]] = field(default_factory=list)
    rows: int = 0

    def deliver(self, days: DayRange) -> None:
        """Land and clean some days in one pass; both clocks keep later days out of every night's features."""
        from jobs import day, land

        with self.cost.phase("land and clean"):
            land.run(self.settings, days, history=True)
            made = day.run(self.settings, days, with_features=False, spark=self.spark)
            self.rows += made["rows"]
        say(f"  events of {days}: {made['rows']} rows, {made['quarantined']} quarantined")

    def feature(self, days: Iterable[date]) -> None:
        """Features and their gates as of those of the days that lack them."""
        from jobs import day

        with self.cost.phase("features"):
            for each in day.missing_features(self.settings, sorted(set(days))):
                day.run(self.settings, None, [each], spark=self.spark)

    def train(self, ds: date) -> None:
        """Train as of a day, as the `training` DAG does: first the features that are missing, then the models."""
        from models import training
        from models.config import TrainingConfig
        from models.windows import Windows

        config = TrainingConfig()
        self.feature(map(date.fromisoformat, Windows.plan(self.settings, ds, config)["as_of"]))
        with self.cost.phase("training"):
            made = training.run(self.settings, ds, config)
        reference = {name: made["metrics"].get(f"reference_{name}") for name in ("auc", "low", "high", "users", "days")}
        told = {name: made[name] for name in ("version", "kind", "promoted", "reason")}
        self.trainings.append({"as_of": f"{ds}", **told, "reference": reference})
        say(f"  trained as of {ds}: version {made['version']}, promoted: {made['promoted']} ({made['reason']})")

    def nights(self, days: DayRange) -> list[Night]:
        """Judge night after night; train whenever it is asked for, as the `monitoring` DAG does."""
        from models import judging

        judged = []
        for each in days:
            self.feature([each])
            with self.cost.phase("judging"):
                night = Night.of(judging.judge(self.settings, each, "make verify"))
            say(f"  {each}: {night.told()}")
            judged.append(night)
            if night.decision != "keep":
                self.train(each)
        return judged

    def copy(self, var: Path) -> "Shop":
        """A second shop that has lived through the same days."""
        for name in SHARED:
            source, target = self.settings.var / name, var / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target)
            elif source.exists():
                shutil.copy2(source, target)
        return Shop(shop_settings(var), self.spark, self.cost)


def run(var: Path, size: DriftSettings) -> tuple[dict[str, Any], bool]:
    """Both shops from nothing; an earlier check's folder is erased.

    Args:
        var: folder of the check's state; `verify-drift` in it is used.

    Returns:
        Figures, and whether the check holds.
    """
    from jobs.spark import session
    from sources.demo_shop.__main__ import generate
    from sources.demo_shop.shop import Shop as Made

    plan, root, cost = Plan.of(size), var / FOLDER, Cost()
    shutil.rmtree(root, ignore_errors=True)
    quiet_var, drifted_var = root / "quiet", root / "drifted"
    with cost.watched():
        with cost.phase("generate"):
            made = Made(size.seed, size.shoppers, size.items)
            generate(quiet_var / "deliveries", made, DayRange(plan.history.first, plan.quiet.last))
            changed = Made(size.seed, size.shoppers, size.items, plan.drift_on)
            generate(drifted_var / "deliveries", changed, plan.drifted)
        with session(shop_settings(quiet_var), "drift") as spark:
            shop = Shop(shop_settings(quiet_var), spark, cost)
            say(f"history {plan.history} and the nights {plan.shared} before the drift")
            shop.deliver(DayRange(plan.history.first, plan.shared.last))
            shop.train(plan.history.last)
            shared = shop.nights(plan.shared)
            other = shop.copy(drifted_var)
            say(f"nights from {plan.drift_on} with new tastes")
            other.deliver(plan.drifted)
            drifted = other.nights(plan.drifted)
            say(f"the same nights without, until {plan.quiet.last}")
            shop.deliver(plan.quiet)
            quiet = shared + shop.nights(plan.quiet)
    found = faults(quiet, drifted, plan.drift_on, shop.settings.judge_min_users)
    figures: dict[str, Any] = {
        "faults": found,
        "shop": size.model_dump(),
        "settings": {name: getattr(shop.settings, name) for name in DECIDING},
        "rows": shop.rows + other.rows,
        "trained": shop.trainings + other.trainings,
        "quiet": summary(quiet),
        "drift_on": f"{plan.drift_on}",
        "days_until_triggered": [(night.day - plan.drift_on).days for night in drifted if night.triggered],
        "drifted": summary(drifted),
        **cost.figures(),
    }
    return figures, not found


def check() -> tuple[dict[str, Any], bool]:
    """The check at the size and in the VAR folder that the environment gives."""
    return run(Layout.of(StackSettings().var).var, DriftSettings())
