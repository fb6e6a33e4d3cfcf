"""Whether a freshly trained bundle becomes the champion.

It does if there is none, or if, on days that neither has seen, its NDCG@20 and its AUC are not worse than the
champion's beyond noise (paired bootstrap over users) and its NDCG@20 is above that of the items popular in the week.
What is compared is the *trial*: the challenger as it was before its last refit, which had not seen the window. A bundle
that fails stays registered under the alias `challenger`.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from lake.clock import DayRange, shift
from lake.errors import BadInput
from lake.settings import Settings
from models import decisions
from models.comparison import Evaluation, K
from models.evaluation import evaluate_bundles
from models.metrics import Estimate
from models.registry import CHAMPION, Registry
from models.snapshot import Snapshot

log = logging.getLogger(__name__)

Mode = Literal["auto", "never", "always"]
POPULAR = "popular_7d"
COMPARED = {"all.ndcg": f"NDCG@{K}", "gauc": "AUC"}


@dataclass(frozen=True)
class Promotion:
    """The decision and what it rests on; empty figures where nothing could be compared."""

    promote: bool
    reason: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    thresholds: Mapping[str, Any] = field(default_factory=dict)
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def decide(settings: Settings, trial: Any, window: DayRange | None, champion: Any | None) -> Promotion:
    """Compare a challenger's trial with the champion on days that neither has seen.

    Args:
        trial: bundle trained on nothing after the day before `window`.
        window: the held-out days; None where the shop is too small to hold any out.
        champion: bundle that serves; None on the first night.

    Raises:
        BadInput: the trial has seen the window.
    """
    if window is not None and trial.trained_through >= window.first:
        raise BadInput(f"window={window}: the trial was trained through {trial.trained_through}; give later days")
    if window is None:
        if champion is None:
            return Promotion(True, "there is no champion yet, and no days were held out to judge on")
        return Promotion(False, "no days were held out, so nothing says that it is as good as the champion")
    if champion is not None and champion.trained_through >= window.last:
        return Promotion(
            False,
            f"the champion was trained through {champion.trained_through} and has seen all held-out days ({window}); "
            "train on later days, or promote by hand",
        )
    judged, told = window, f"on {window}"
    if champion is not None and champion.trained_through >= window.first:
        judged = DayRange(shift(champion.trained_through, 1), window.last)
        told = f"on {judged} (of {window}, the days that the champion was not trained on)"
    found = _evaluated(settings, trial, champion, judged)
    if found is None:
        if champion is None:
            return Promotion(True, f"there is no champion yet; no shopper could be judged {told}")
        return Promotion(False, f"no shopper could be judged {told}")
    return _verdict(found, champion is not None, told)


def settle(
    settings: Settings,
    version: str,
    trial: Any,
    window: DayRange | None,
    *,
    ds: date,
    mode: Mode = "auto",
    run: str = "python -m models.training",
) -> Promotion:
    """Decide about a registered version, set its alias and record the decision (`promote` or `hold`).

    Args:
        version: registered, trained through `ds`.
        trial, window: see `decide`.
        mode: `always` promotes and `never` holds whatever the figures say; they are recorded all the same.

    Raises:
        Unavailable: MLflow does not answer.
    """
    registry = Registry(settings)
    serving = registry.resolve(CHAMPION)
    if serving is not None and serving[0] == version:
        return Promotion(True, f"version {version} is the champion already")
    from models.bundle import Bundle

    found = decide(settings, trial, window, Bundle.load(serving[1]) if serving else None)
    promote = found.promote if mode == "auto" else mode == "always"
    reason = found.reason if mode == "auto" else f"asked for: --promote {mode}; otherwise: {found.reason}"
    if promote:
        registry.promote(version)
    else:
        registry.set_challenger(version)
    figures = {**found.figures, "challenger": version, "champion": serving[0] if serving else None, "mode": mode}
    kind = "promote" if promote else "hold"
    key = decisions.decision_id(ds.isoformat(), "promotion", f"{version}|{kind}")
    decisions.record(settings, kind, ds, reason, figures, found.thresholds, found.intervals, run, key=key)
    log.info("version %s: %s: %s", version, kind, reason)
    return Promotion(promote, reason, figures, found.thresholds, found.intervals)


def _evaluated(settings: Settings, trial: Any, champion: Any | None, window: DayRange) -> Evaluation | None:
    bundles = {"challenger": trial} if champion is None else {"challenger": trial, "champion": champion}
    try:
        return evaluate_bundles(settings, bundles, Snapshot.load(settings, shift(window.first, -1)), window)
    except BadInput as error:
        log.warning("the challenger could not be evaluated on %s: %s", window, error)
        return None


def _verdict(found: Evaluation, has_champion: bool, told: str) -> Promotion:
    figures: dict[str, Any] = {"window": str(found.window), "users": len(found.users)}
    intervals: dict[str, tuple[float, float]] = {}
    for ranker in ("challenger", "champion", POPULAR, "own_items"):
        for name, shown in COMPARED.items():
            if ranker in found.rankers and (figure := found.rankers[ranker].estimate(name)).users:
                figures[f"{ranker}.{shown}"] = figure.mean
                intervals[f"{ranker}.{shown}"] = figure.interval
    faults: list[str] = []
    above = found.difference("challenger", POPULAR, "all.ndcg")
    intervals["challenger - popular"] = above.interval
    if not above.mean > 0:
        faults.append(f"its NDCG@{K} is no better than that of the week's popular items ({_signed(above)})")
    notes: list[str] = []
    for name, shown in COMPARED.items() if has_champion else ():
        difference = found.difference("challenger", "champion", name)
        if not difference.users:
            continue
        figures[f"difference.{shown}"] = difference.mean
        intervals[f"difference.{shown}"] = difference.interval
        notes.append(f"{shown} {_signed(difference)}")
        if difference.high < 0:
            faults.append(f"its {shown} is below the champion's beyond noise ({_signed(difference)})")
    who = f"{told}, {len(found.users)} shoppers"
    thresholds = {"difference to the champion, upper bound": 0.0, "difference to popular": 0.0}
    if not has_champion:
        mean = found.rankers["challenger"].estimate("all.ndcg")
        weak = f"; {faults[0]}" if faults else ""
        return Promotion(True, f"there is no champion yet; NDCG@{K} {mean} {who}{weak}", figures, thresholds, intervals)
    if faults:
        return Promotion(False, f"{'; '.join(faults)} {who}", figures, thresholds, intervals)
    reason = f"not worse than the champion beyond noise ({', '.join(notes)}) and better than popular items {who}"
    return Promotion(True, reason, figures, thresholds, intervals)


def _signed(difference: Estimate) -> str:
    return f"{difference.mean:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]"
