"""What each objective of a surface costs, and what it buys: the same ranked candidates, with and without it.

`python -m models.policy_cost --ds D [--days N] [--surface home] [--bundle VERSION|FOLDER] [--json F]`. Shoppers with an
event before the cut and one in the N days after it are scored once. Then the surface's lists are made without any
objective, with each one alone at a few strengths, with each of the merchandisers' rules, and as configured. The cost is
the NDCG@20 of the published order against that of the lists without objectives, paired over shoppers with its 95 %
bootstrap interval. What shoppers were shown in truth is not known to the log, so a cost is an upper bound: an item that
nobody had the chance to see cannot be a hit.
"""

import json
import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from lake import storage
from lake.clock import DayRange, parse_day, shift
from lake.command import finish
from lake.errors import BadInput
from lake.settings import Settings
from models import labels, metrics, surfaces
from models.bundle import Bundle
from models.interface import Ints, Ranked
from models.metrics import Estimate
from models.policy import merchandising, segments, shares
from models.policy.complements import BasketFit
from models.policy.objectives import Objectives
from models.policy.surface_lists import Entries, SurfacePolicy
from models.policy.trials import WITHOUT, Trial, trials
from models.registry import CHAMPION, Registry
from models.snapshot import Snapshot

log = logging.getLogger("nightshelf.policy_cost")

K = 20
DAYS = 14
MOST_SHOPPERS = 20_000
"""More judged shoppers than this are sampled: intervals are narrow by then."""

BOUGHT = ("changed", "margin", "coverage", "tail", "categories", "new", "complements")


@dataclass(frozen=True)
class Cost:
    """What one trial's first K entries cost and bought.

    Attributes:
        ndcg: mean over judged shoppers. ratio: paired, to the lists without objectives.
        changed: share of shoppers whose first K are not the same as without; 0 where the log lacks what it takes.
        margin: mean over entries whose margin is known, NaN where none is.
        coverage: share of the catalogue in at least one list.
        tail: share of entries outside the head, the best-sellers that make half of the sales.
        categories: distinct known categories a list. new: share of entries first seen in the last days.
        complements: share of entries that go with the shopper's recent basket, over shoppers who have one.
    """

    objective: str
    strength: str
    ndcg: Estimate
    ratio: Estimate
    changed: float
    margin: float
    coverage: float
    tail: float
    categories: float
    new: float
    complements: float


@dataclass(frozen=True)
class Costs:
    """All trials of a surface on one window."""

    surface: str
    cut: date
    window: DayRange
    shoppers: int
    costs: tuple[Cost, ...]

    def as_dict(self) -> dict[str, Any]:
        """As plain values; a figure that does not exist is None."""
        head: dict[str, Any] = {"surface": self.surface, "cut": str(self.cut), "first": str(self.window.first)}
        head |= {"last": str(self.window.last), "k": K, "shoppers": self.shoppers}
        plain = json.loads(json.dumps([asdict(cost) for cost in self.costs]), parse_constant=lambda _: None)
        return head | {"costs": plain}

    def table(self) -> str:
        """For a terminal: one line a trial."""
        heads = "  ".join(f"{name:>11}" for name in BOUGHT)
        lines = [
            f"surface {self.surface}, cut {self.cut}, window {self.window}: {self.shoppers} shoppers",
            f"{'objective':32}  {'strength':>9}  NDCG@{K}  {'ratio to without':>20}  {heads}",
        ]
        for cost in self.costs:
            figures = "  ".join(f"{_shown(name, getattr(cost, name)):>11}" for name in BOUGHT)
            ratio = "" if cost.objective == WITHOUT else str(cost.ratio)
            lines.append(f"{cost.objective:32}  {cost.strength:>9}  {cost.ndcg.mean:7.4f}  {ratio:>20}  {figures}")
        return "\n".join(lines)


def _shown(name: str, value: float) -> str:
    if np.isnan(value):
        return "-"
    return f"{value:.3f}" if name == "margin" else f"{value:.2f}" if name == "categories" else f"{value:.1%}"


def measure(
    ranked: Ranked, snapshot: Snapshot, users: list[str], truth: dict[str, set[str]], found: Iterable[Trial], k: int
) -> tuple[Cost, ...]:
    """Make the lists of each trial over the same candidates and hold them against the truth.

    Args:
        users: judged shoppers, known to the snapshot; `ranked.user` counts in them.
        truth: their items after the cut, unknown ones included: they cannot be hit, but are targets.
        k: length of the lists; the first K of them are judged.
    """
    rows = snapshot.rows_of(users)
    pair_user = np.repeat(np.arange(len(users)), [len(truth[user]) for user in users])
    names = [item for user in users for item in sorted(truth[user])]
    pair_item = snapshot.items_of(names).astype(np.int64)
    unknown = pair_item < 0
    pair_item[unknown] = len(snapshot.items) + np.arange(unknown.sum())
    sizes = metrics.truth_sizes(len(users), pair_user, pair_item)
    scale = _Scale(snapshot)
    costs: list[Cost] = []
    base: tuple[NDArray[np.float64], NDArray[np.int64]] | None = None
    for trial in found:
        entries = SurfacePolicy(trial.surface, snapshot, k, trial.rules).lists(ranked, rows)
        entries = entries.take(entries.rank <= K)
        lists = np.full((len(users), K), metrics.PAD, np.int64)
        lists[entries.user, entries.rank - 1] = entries.item
        ndcg = metrics.ndcg(metrics.hits(lists, pair_user, pair_item), sizes, K)
        base = (ndcg, lists) if base is None else base
        mean, ratio = metrics.bootstrap(ndcg), metrics.paired_ratio(ndcg, base[0])
        changed = float((lists != base[1]).any(axis=1).mean())
        bought = scale.bought(entries, lists, rows)
        costs.append(Cost(trial.objective, trial.strength, mean, ratio, changed, **bought))
        log.info("%s %s: NDCG@%d %.4f", trial.objective, trial.strength, K, mean.mean)
    return tuple(costs)


class _Scale:
    """What the figures of a trial are measured with; the same for all."""

    def __init__(self, snapshot: Snapshot) -> None:
        none = Objectives()
        self._snapshot = snapshot
        self._head = shares.head(segments.popularity(snapshot), none.long_tail.head)
        self._new = np.nan_to_num(snapshot.catalogue.age_days, nan=np.inf) <= none.exploration.days
        self._fit = BasketFit(snapshot, none.cross_sell.basket_days)

    def bought(self, entries: Entries, lists: metrics.Ints, rows: Ints) -> dict[str, float]:
        item, catalogue = entries.item, self._snapshot.catalogue
        basket = self._fit.has_basket(rows)[entries.user]
        margin, category = catalogue.margin[item], catalogue.category[item]
        known = category >= 0
        kinds = np.unique(np.stack([entries.user[known], category[known]]), axis=1).shape[1]
        return {
            "margin": float(np.nanmean(margin)) if np.isfinite(margin).any() else float("nan"),
            "coverage": metrics.coverage(lists, len(self._snapshot.items), K),
            "tail": _mean(~self._head[item]),
            "categories": kinds / max(len(np.unique(entries.user)), 1) if known.any() else float("nan"),
            "new": _mean(self._new[item]),
            "complements": _mean(self._fit.strength(rows, entries.user[basket], item[basket]) > 0),
        }


def _mean(mask: NDArray[np.bool_]) -> float:
    return float(mask.mean()) if len(mask) else float("nan")


def run(settings: Settings, day: date, days: int, surface: str, bundle: str = "") -> Costs:
    """Price the objectives of one surface on the days after `day`.

    Raises:
        BadInput: no such surface, bundle or events; the bundle was trained on days of the window; nobody to judge.
    """
    shown = surfaces.load(settings.surfaces)
    if surface not in shown:
        raise BadInput(f"--surface {surface!r}: {settings.surfaces} has {', '.join(shown)}")
    if "users" not in shown[surface].kinds:
        raise BadInput(f"--surface {surface!r} has no lists of shoppers to price; give one such as home")
    rules = merchandising.load(settings)
    merchandising.warn_of_unknown_surfaces(rules, set(shown))
    last = max(storage.days(settings, "events"), default="")
    if last <= day.isoformat():
        raise BadInput(f"--ds {day}: the newest events are of {last or 'no day'}; give a day before that")
    window = DayRange(shift(day, 1), min(shift(day, days), date.fromisoformat(last)))
    chosen = shown[surface]
    made = _bundle(settings, bundle)
    if made.trained_through > day:
        raise BadInput(f"the bundle was trained through {made.trained_through}, which would test it on {window}")
    snapshot = Snapshot.load(settings, day)
    truth = _truth(settings, snapshot, window, only_new=chosen.only_new)
    users = sorted(truth)
    if not users:
        raise BadInput(f"no shopper known on {day} has an event in {window}; choose an earlier --ds")
    if len(users) > MOST_SHOPPERS:
        users = sorted(np.random.default_rng(0).choice(users, MOST_SHOPPERS, replace=False).tolist())
    bounds = {"memory_mb": settings.scoring_memory_mb, "threads": settings.threads}
    ranked = made.score(snapshot, users, only_new=chosen.only_new, **bounds)
    k = chosen.k or settings.list_length
    return Costs(surface, day, window, len(users), measure(ranked, snapshot, users, truth, trials(chosen, rules), k))


def _bundle(settings: Settings, wanted: str) -> Bundle:
    if wanted and Path(wanted).is_dir():
        return Bundle.load(Path(wanted))
    found = Registry(settings).resolve(wanted or CHAMPION)
    if found is None:
        raise BadInput(f"--bundle {wanted or CHAMPION!r}: no such version, alias or folder; train one")
    return Bundle.load(found[1])


def _truth(settings: Settings, snapshot: Snapshot, window: DayRange, *, only_new: bool) -> dict[str, set[str]]:
    """Items of the window of shoppers that the snapshot knows; only never-touched ones for a surface of such."""
    truth = labels.touched(settings, window.first, window.last)
    found = {}
    for user, row in zip(truth, snapshot.rows_of(list(truth)), strict=True):
        before = set(snapshot.items[snapshot.touched[row].indices]) if only_new and row >= 0 else set()
        if row >= 0 and (left := truth[user] - before):
            found[user] = left
    return found


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(help=__doc__)
def main(
    ds: Annotated[str, typer.Option("--ds", help="The cut: last day that the lists may know, YYYY-MM-DD.")],
    days: Annotated[int, typer.Option("--days", min=1, help="Length of the window after it.")] = DAYS,
    surface: Annotated[str, typer.Option("--surface", help="Name of the surface.")] = "home",
    bundle: Annotated[str, typer.Option("--bundle", help="Version, alias or folder; the champion by default.")] = "",
    as_json: Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")] = None,
) -> None:
    def work(settings: Settings) -> dict[str, Any]:
        costs = run(settings, parse_day(ds, "--ds"), days, surface, bundle)
        figures = costs.as_dict()
        print(costs.table())
        if as_json is not None:
            as_json.parent.mkdir(parents=True, exist_ok=True)
            as_json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        return {name: value for name, value in figures.items() if name != "costs"} | {"trials": len(costs.costs)}

    finish("models.policy_cost", work)


if __name__ == "__main__":
    app()
