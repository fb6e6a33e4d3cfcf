"""How good the lists are on the days after a cut: bundles, published lists and the baselines, side by side.

`python -m models.evaluation --ds D [--days N] [--json F]`. Judged are users with an event before the cut and one in the
window; the truth is the distinct items they touch in the window, ranked against the whole catalogue; `new` counts only
items the user never touched before, against the list without the touched ones. Means are over users (macro), with
95 % bootstrap intervals; differences are paired. A bundle that was trained on days of the window is not judged there.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer

from lake.clock import DayRange
from lake.command import finish
from lake.errors import BadInput
from lake.settings import Settings
from models import cuts, evaluation_report, labels, metrics
from models.auc_estimator import ScoresPairs, judge_pairs
from models.baselines import BASELINES, ListMaker, Lists
from models.comparison import Evaluation, K, Measured
from models.cuts import DAYS
from models.list_metrics import ListMeter
from models.measuring import Yardstick, judged_users
from models.rolling import Rolling
from models.segments_of_users import segments
from models.snapshot import Snapshot
from models.targets import Targets

log = logging.getLogger(__name__)

Baselines = Literal["light", "tuned"]
SURFACES = ("home", "discover")


def evaluate(
    rankers: Mapping[str, ListMaker],
    snapshot: Snapshot,
    truth: Mapping[str, set[str]],
    window: DayRange,
    *,
    k: int = K,
    baselines: Mapping[str, ListMaker] = BASELINES,
    scorers: Mapping[str, ScoresPairs] | None = None,
    settings: Settings | None = None,
    detailed: bool = False,
) -> Evaluation:
    """Rank for every judged user and measure.

    Args:
        rankers: name -> maker of lists.
        snapshot: as of the cut.
        truth: user id -> items touched in the window; users the snapshot does not know are not judged.
        baselines: rankers that the others are held against.
        scorers: ranker -> who scores pairs; these get an AUC, drawn as `settings` say.
        detailed: also judge shoppers unknown at the cut, and tell segments of shoppers apart.

    Raises:
        BadInput: no user has both an event before the cut and one in the window.
    """
    users, strangers = judged_users(snapshot, truth)
    if not users:
        raise BadInput(
            f"no shopper known on {snapshot.as_of} has an event in {window}; "
            f"choose an earlier --ds or load the days after it"
        )
    targets = Targets.of(snapshot, truth, users)
    unknown = Targets.of(snapshot, truth, strangers) if detailed else None
    yardstick = Yardstick(snapshot, targets, ListMeter.of(snapshot), k, unknown)
    mine = {user: truth[user] for user in users}
    measured = {}
    for name, maker in {**rankers, **baselines}.items():
        scorer = (scorers or {}).get(name)
        pairs = judge_pairs(scorer, snapshot, mine, window.first, settings or Settings()) if scorer else None
        measured[name] = yardstick.measure(maker, pairs)
    return Evaluation(
        snapshot.as_of,
        window,
        k,
        users,
        (len(targets.item) / len(users), float(targets.fresh.mean())),
        measured,
        tuple(baselines),
        segments(snapshot, targets.rows) if detailed else {},
        alike=yardstick.meter.alike,
    )


def list_maker(bundle: Any) -> ListMaker:
    """The first K of a bundle's ranking, before any policy."""

    def make(snapshot: Snapshot, users: Sequence[str], k: int, only_new: bool) -> Lists:
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
    baselines: Baselines = "light",
    surfaces: Sequence[str] = (),
    detailed: bool = False,
) -> Evaluation:
    """Bundles, published lists and baselines on the days after the snapshot's; who saw the window is not judged.

    Args:
        baselines: `light` needs no tuning; `tuned` takes seconds to minutes.
        surfaces: whose published lists are judged, too.
        detailed: see `evaluate`.

    Raises:
        BadInput: nobody can be judged, or the window does not lie after the snapshot's day.
    """
    if window.first <= snapshot.as_of:
        raise BadInput(f"window={window} begins before the cut {snapshot.as_of} ends; give days after the cut")
    makers: dict[str, ListMaker] = {}
    refused: dict[str, Measured] = {}
    scorers: dict[str, ScoresPairs] = {}
    notes: dict[str, Any] = {}
    for name, bundle in bundles.items():
        if bundle.trained_through > snapshot.as_of:
            why = f"trained through {bundle.trained_through}, which the window {window} would test it on"
            log.warning("%s: %s", name, why)
            refused[name] = Measured(refused=why)
        else:
            makers[name], scorers[name] = list_maker(bundle), bundle
    if surfaces:
        from models import published

        for surface in surfaces:
            name, lists = f"published {surface}", published.find(settings, surface, snapshot.as_of)
            if isinstance(lists, str):
                refused[name] = Measured(refused=lists)
            else:
                makers[name], notes[name] = lists, lists.told
    opponents: dict[str, ListMaker] = dict(BASELINES)
    if baselines == "tuned":
        from models.baselines.tuned import tuned

        strong, left_out = tuned(snapshot, len(window))
        opponents |= strong
        scorers |= strong
        notes |= {name: baseline.figures() for name, baseline in strong.items()}
        refused |= {name: Measured(refused=why) for name, why in left_out.items()}
    truth = labels.touched(settings, window.first, window.last)
    found = evaluate(
        makers,
        snapshot,
        truth,
        window,
        k=k,
        baselines=opponents,
        scorers=scorers,
        settings=settings,
        detailed=detailed,
    )
    return replace(found, rankers={**refused, **found.rankers}, notes=notes)


def run(
    settings: Settings,
    days_of_cuts: Sequence[date],
    days: int = DAYS,
    bundles: Sequence[str] = (),
    *,
    baselines: Baselines = "tuned",
    surfaces: Sequence[str] = (),
) -> Rolling:
    """Evaluate what is registered on the days after each cut; against tuned baselines also in detail.

    Args:
        bundles: see `models.cuts.bundles`.

    Raises:
        BadInput: the lake has no events after a cut, or nobody can be judged.
        Unavailable: MLflow does not answer and nothing is cached.
    """
    windows = {cut: cuts.window(settings, cut, days) for cut in days_of_cuts}
    judged = cuts.bundles(settings, days_of_cuts, bundles)
    found = []
    for cut, window in windows.items():
        measured = evaluate_bundles(
            settings,
            {name: bundle for name, (bundle, _) in judged[cut].items()},
            Snapshot.load(settings, cut),
            window,
            baselines=baselines,
            surfaces=surfaces,
            detailed=baselines == "tuned",
        )
        told = {
            name: f"{which}, trained through {bundle.trained_through}" for name, (bundle, which) in judged[cut].items()
        }
        found.append(replace(measured, notes={**told, **measured.notes}))
    return Rolling(found)


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(help=__doc__)
def main(
    ds: Annotated[str, typer.Option("--ds", help="The cut: last day that the rankers may know, YYYY-MM-DD.")] = "",
    days: Annotated[int, typer.Option("--days", min=1, help="Length of the window after it.")] = DAYS,
    cut_days: Annotated[str, typer.Option("--cuts", help="Several cuts, separated by commas.")] = "",
    splits: Annotated[int, typer.Option("--splits", min=0, help="As many cuts, the last at --ds or the newest.")] = 0,
    every: Annotated[int, typer.Option("--every", min=1, help="Days between two of --splits.")] = DAYS,
    bundle: Annotated[
        list[str] | None,
        typer.Option("--bundle", help="A version, alias or folder; D=VERSION for the cut D. May be given again."),
    ] = None,
    baselines: Annotated[
        str, typer.Option("--baselines", help="tuned on the days before the cut, or light: two, and fewer figures.")
    ] = "tuned",
    published: Annotated[bool, typer.Option("--published", help="Also judge the lists that stand in Redis.")] = False,
    as_json: Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")] = None,
    page: Annotated[Path | None, typer.Option("--page", help="Also write one HTML page here.")] = None,
    mlflow: Annotated[bool, typer.Option("--mlflow", help="Also keep all of it as a run of the experiment.")] = False,
) -> None:
    def work(settings: Settings) -> dict[str, Any]:
        if baselines not in ("light", "tuned"):
            raise BadInput(f"--baselines {baselines!r}: give light or tuned")
        chosen = cuts.choose(settings, ds, cut_days, splits, every, days)
        surfaces = SURFACES if published else ()
        found = run(settings, chosen, days, bundle or (), baselines=baselines, surfaces=surfaces)  # type: ignore[arg-type]
        return evaluation_report.deliver(settings, found, as_json, page, mlflow)

    finish("models.evaluation", work)


if __name__ == "__main__":
    app()
