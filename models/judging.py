"""Judges the champion and yesterday's published lists on one day, and decides whether to train.

`python -m models.judging --ds D` records the decision (`bootstrap`, `keep` or `retrain`) with its figures in the table
`decisions`, writes a page for people, and prints the result. Judging the same day and the same champion again gives
the recorded decision back. The estimator is in `models.auc_estimator`, the rules in `models.verdict`.
"""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Annotated, Any

import typer

from lake.clock import parse_day, shift
from lake.command import finish
from lake.prometheus.definition import quietly
from lake.settings import Settings
from models import decisions, judging_page, judging_told, published, verdict
from models.auc_estimator import DayAuc, PairScorer, Pool, auc_on_day, pool, reference
from models.verdict import Reference, Thresholds, Verdict

log = logging.getLogger(__name__)

KINDS = ("bootstrap", "keep", "retrain")


@dataclass(frozen=True)
class Champion:
    """The bundle being judged."""

    version: str
    bundle: PairScorer
    reference: Reference | None


def champion(settings: Settings) -> Champion | None:
    """The registered champion; None where none was ever promoted.

    Raises:
        Unavailable: MLflow does not answer and no champion is cached.
    """
    from models.registry import Registry

    found = Registry(settings).resolve("champion")
    if found is None:
        return None
    from models.bundle import Bundle

    bundle = Bundle.load(found[1])
    return Champion(found[0], bundle, stored_reference(bundle.manifest))


def stored_reference(manifest: dict[str, Any]) -> Reference | None:
    """The reference in a bundle's manifest: at the top, or among its metrics."""
    for stored in (manifest, manifest.get("reference"), manifest.get("metrics")):
        if isinstance(stored, dict) and (found := Reference.of(stored)) is not None:
            return found
    return None


def judge(
    settings: Settings,
    day: date,
    run: str = "",
    find_champion: Callable[[Settings], Champion | None] = champion,
) -> dict[str, Any]:
    """Judge a day, record the decision and write its page.

    Args:
        day: UTC day whose events are the truth; features and lists are of the day before.
        run: who asks: a DAG run id or the command line.
        find_champion: how to get the bundle judged.

    Returns:
        ds, decision, reason, figures, thresholds, intervals, decision_id, report (path of the page), reused.
    """
    found = find_champion(settings)
    ds = day.isoformat()
    key = decisions.decision_id(ds, "judging", f"{found.version}|judged" if found else "none")
    recorded = decisions.find(settings, key, ds)
    if recorded is None:
        decided, figures, thresholds, intervals = _judged(settings, day, found)
        if found and not figures["users"]:
            # Not final: the features or events that were missing may still come.
            key = decisions.decision_id(ds, "judging", f"{found.version}|unjudged|{decided.kind}")
        args = (decided.kind, ds, decided.reason, figures, asdict(thresholds), intervals, run)
        decisions.record(settings, *args, key=key)
        log.info("%s: %s: %s", ds, decided.kind, decided.reason)
    else:
        log.info("%s was judged before: %s: %s", ds, recorded["kind"], recorded["reason"])
    row = decisions.find(settings, key, ds)
    assert row is not None
    before = decisions.history(settings, KINDS, start=shift(day, -judging_page.SHOWN_DAYS), end=day)
    page = judging_page.write(settings, row, before)
    with quietly():
        judging_told.tell(settings, day, row)
    return {
        "ds": ds,
        "decision": row["kind"],
        "reason": row["reason"],
        "figures": row["figures"],
        "thresholds": row["thresholds"],
        "intervals": row["intervals"],
        "decision_id": key,
        "report": str(page),
        "reused": recorded is not None,
    }


def _judged(
    settings: Settings, day: date, found: Champion | None
) -> tuple[Verdict, dict[str, Any], Thresholds, dict[str, list[float]]]:
    lists, intervals = published.judge_lists(settings, day)
    trained = found.bundle.trained_through if found else None
    pooled = Pool(())
    if found and trained and trained < day:
        first = max(shift(trained, 1), shift(day, 1 - settings.judge_days))
        pooled = pool(found.bundle, settings, first, day)
    estimate = pooled.estimate
    held_against = _reference(settings, found, day) if found else None
    thresholds = Thresholds.of(settings, held_against)
    if found and trained and trained >= day:
        reason = f"champion {found.version} was trained through {trained}, so {day} cannot judge it"
        decided = Verdict("keep", reason, "none")
    else:
        cool = shift(day, -settings.retrain_cooldown_days)
        past = decisions.history(settings, ["retrain"], start=cool, end=shift(day, -1))
        decided = verdict.decide(day, trained, estimate, held_against, past, thresholds)
        if found and pooled.skipped and not pooled.days:
            reason = f"{decided.reason} (no features as of {shift(day, -1)})"
            decided = Verdict(decided.kind, reason, decided.cause)
    figures: dict[str, Any] = {
        "bundle": found.version if found else None,
        "trained_through": trained,
        "age_days": (day - trained).days if trained else None,
        "cause": decided.cause,
        "auc": estimate.mean,
        "reference_auc": held_against.auc if held_against else None,
        **pooled.figures(),
        **lists,
    }
    if estimate.users:
        intervals = {"auc": [estimate.low, estimate.high], **intervals}
    if held_against and held_against.low is not None and held_against.high is not None:
        intervals["reference_auc"] = [held_against.low, held_against.high]
    return decided, figures, thresholds, intervals


def _reference(settings: Settings, found: Champion, day: date) -> Reference | None:
    """What a bundle is held against: the figure at promotion, or its own first one where that is of another world."""
    stored, trained = found.reference, found.bundle.trained_through
    if stored is not None:
        past = decisions.history(settings, ["retrain"], start=min(stored.since or trained, trained), end=trained)
        if stored.speaks_for(trained, past):
            return stored
    return _first_judged(settings, found, day)


def _first_judged(settings: Settings, found: Champion, day: date) -> Reference | None:
    """The bundle's own first judged figure; None before there is one."""
    for row in decisions.history(settings, KINDS, start=found.bundle.trained_through, end=shift(day, -1)):
        figures = row["figures"]
        if figures.get("bundle") == found.version and (figures.get("users") or 0) >= settings.judge_min_users:
            low, high = row["intervals"].get("auc", (None, None))
            return Reference(figures["auc"], low, high, measured="when it was first judged")
    return None


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(help=__doc__)
def main(
    ds: Annotated[str, typer.Option("--ds", help="UTC day to judge, YYYY-MM-DD.")],
    run: Annotated[str, typer.Option("--run", help="Who asks, for the record.")] = "python -m models.judging",
) -> None:
    finish("models.judging", lambda settings: judge(settings, parse_day(ds), run))


__all__ = ["Champion", "DayAuc", "auc_on_day", "champion", "judge", "pool", "reference", "stored_reference"]

if __name__ == "__main__":
    app()
