"""How good the lists are on the days after a cut: champion, challenger and the baselines, side by side.

`python -m models.evaluation --ds D [--days N] [--json F]`. Judged are users with an event before the cut and one in the
window; the truth is the distinct items they touch in the window, ranked against the whole catalogue; `new` counts only
items the user never touched before, against the list without the touched ones. Means are over users (macro), with
95 % bootstrap intervals; differences are paired. A bundle that was trained on days of the window is not judged there.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from lake import storage
from lake.clock import DayRange, parse_day, shift
from lake.command import finish
from lake.errors import BadInput
from lake.settings import Settings
from models import labels, metrics
from models.auc_estimator import judge_pairs
from models.baselines import BASELINES, ListMaker
from models.comparison import Evaluation, K, Measured
from models.metrics import Floats
from models.snapshot import Snapshot

log = logging.getLogger(__name__)

DAYS = 14


def evaluate(
    rankers: Mapping[str, ListMaker],
    snapshot: Snapshot,
    truth: Mapping[str, set[str]],
    window: DayRange,
    *,
    k: int = K,
    gauc: Mapping[str, Floats] | None = None,
) -> Evaluation:
    """Rank for every judged user and measure.

    Args:
        rankers: name -> maker of lists.
        snapshot: as of the cut.
        truth: user id -> items touched in the window; users the snapshot does not know are not judged.
        gauc: ranker -> [users] AUC of each judged user, for rankers that can score pairs.

    Raises:
        BadInput: no user has both an event before the cut and one in the window.
    """
    users = judged_users(snapshot, truth)
    if not users:
        raise BadInput(
            f"no shopper known on {snapshot.as_of} has an event in {window}; "
            f"choose an earlier --ds or load the days after it"
        )
    pair_user = np.repeat(np.arange(len(users)), [len(truth[user]) for user in users])
    names = [item for user in users for item in sorted(truth[user])]
    pair_item = snapshot.items_of(names).astype(np.int64)
    # An item unknown at the cut cannot be hit, but it is a target: numbers past the catalogue.
    unknown = np.flatnonzero(pair_item < 0)
    _, number = np.unique([names[at] for at in unknown], return_inverse=True)
    pair_item[unknown] = len(snapshot.items) + number
    rows = snapshot.rows_of(users)[pair_user]
    inside = pair_item < len(snapshot.items)
    fresh = np.ones(len(pair_item), bool)
    fresh[inside] = np.asarray(snapshot.touched[rows[inside], pair_item[inside]]).ravel() == 0
    parts = {"all": np.ones(len(pair_item), bool), "new": fresh}
    measured: dict[str, Measured] = {}
    for name, maker in rankers.items():
        values: dict[str, Floats] = {}
        shown = 0.0
        for target, part in parts.items():
            lists = maker(snapshot, users, k, target == "new")
            hit = metrics.hits(lists, pair_user[part], pair_item[part])
            sizes = metrics.truth_sizes(len(users), pair_user[part], pair_item[part])
            counted = np.where(sizes > 0, 1.0, np.nan)
            values[f"{target}.recall"] = metrics.recall(hit, sizes, k)
            values[f"{target}.ndcg"] = metrics.ndcg(hit, sizes, k)
            values[f"{target}.mrr"] = metrics.mrr(hit, k) * counted
            values[f"{target}.hit_rate"] = metrics.hit_rate(hit, k) * counted
            if target == "all":
                shown = metrics.coverage(lists, len(snapshot.items), k)
        if gauc and name in gauc:
            values["gauc"] = gauc[name]
        measured[name] = Measured(values, shown)
    targets = (len(pair_item) / len(users), float(fresh.mean()))
    return Evaluation(snapshot.as_of, window, k, users, targets, measured)


def judged_users(snapshot: Snapshot, truth: Mapping[str, set[str]]) -> list[str]:
    """Ids, ascending, of users with truth that the snapshot knows."""
    users = sorted(user for user, items in truth.items() if items)
    return [user for user, row in zip(users, snapshot.rows_of(users), strict=True) if row >= 0]


def list_maker(bundle: Any) -> ListMaker:
    """The first K of a bundle's ranking, before any policy."""

    def make(snapshot: Snapshot, users: Sequence[str], k: int, only_new: bool) -> Any:
        ranked = bundle.score(snapshot, users, only_new=only_new)
        lists = np.full((len(users), k), metrics.PAD, np.int64)
        start = np.searchsorted(ranked.user, np.arange(len(users)))
        place = np.arange(len(ranked.user)) - start[ranked.user]
        first = place < k
        lists[ranked.user[first], place[first]] = ranked.item[first]
        return lists

    return make


def evaluate_bundles(
    settings: Settings,
    bundles: Mapping[str, Any],
    snapshot: Snapshot,
    window: DayRange,
    *,
    k: int = K,
) -> Evaluation:
    """Bundles and baselines on the days after the snapshot's; bundles that saw the window are marked, not judged.

    Raises:
        BadInput: nobody can be judged, or the window does not lie after the snapshot's day.
    """
    if window.first <= snapshot.as_of:
        raise BadInput(f"window={window} begins before the cut {snapshot.as_of} ends; give days after the cut")
    truth = labels.touched(settings, window.first, window.last)
    makers: dict[str, ListMaker] = {}
    refused: dict[str, Measured] = {}
    gauc: dict[str, Floats] = {}
    users = judged_users(snapshot, truth)
    for name, bundle in bundles.items():
        if bundle.trained_through > snapshot.as_of:
            why = f"trained through {bundle.trained_through}, which the window {window} would test it on"
            log.warning("%s: %s", name, why)
            refused[name] = Measured(refused=why)
            continue
        makers[name] = list_maker(bundle)
        judged = judge_pairs(bundle, snapshot, {user: truth[user] for user in users}, window.first, settings)
        by_user = dict(zip(judged.users.tolist(), judged.auc.tolist(), strict=True))
        gauc[name] = np.array([by_user.get(user, np.nan) for user in users])
    found = evaluate(makers | BASELINES, snapshot, truth, window, k=k, gauc=gauc)
    return Evaluation(found.cut, found.window, k, found.users, found.targets, {**refused, **found.rankers})


def run(settings: Settings, day: date, days: int = DAYS, bundle: str = "") -> Evaluation:
    """Evaluate the registered champion and challenger (or one version, or a folder) on the days after `day`.

    Raises:
        BadInput: the lake has no events after the day.
    """
    from models.bundle import Bundle
    from models.registry import CHALLENGER, CHAMPION, Registry

    last = max((d for d in storage.days(settings, "events")), default="")
    if last <= day.isoformat():
        raise BadInput(f"--ds {day}: the newest events are of {last or 'no day'}; give a day before that")
    window = DayRange(shift(day, 1), min(shift(day, days), date.fromisoformat(last)))
    if len(window) < days:
        log.warning("only %d of the %d days after %s have been loaded", len(window), days, day)
    found: dict[str, Any] = {}
    if bundle and Path(bundle).is_dir():
        found[Path(bundle).name] = Bundle.load(Path(bundle))
    else:
        for name in (bundle,) if bundle else (CHAMPION, CHALLENGER):
            if (resolved := Registry(settings).resolve(name)) is not None:
                found[name if name == resolved[0] else f"{name} {resolved[0]}"] = Bundle.load(resolved[1])
    return evaluate_bundles(settings, found, Snapshot.load(settings, day), window)


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(help=__doc__)
def main(
    ds: Annotated[str, typer.Option("--ds", help="The cut: last day that the rankers may know, YYYY-MM-DD.")],
    days: Annotated[int, typer.Option("--days", min=1, help="Length of the window after it.")] = DAYS,
    bundle: Annotated[str, typer.Option("--bundle", help="One version or folder, instead of the aliases.")] = "",
    as_json: Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")] = None,
) -> None:
    def work(settings: Settings) -> dict[str, Any]:
        evaluation = run(settings, parse_day(ds), days, bundle)
        figures = evaluation.as_dict()
        print(evaluation.table())
        if as_json is not None:
            as_json.parent.mkdir(parents=True, exist_ok=True)
            as_json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        return figures

    finish("models.evaluation", work)


__all__ = ["Evaluation", "Measured", "evaluate", "evaluate_bundles", "judged_users", "list_maker", "run"]

if __name__ == "__main__":
    app()
