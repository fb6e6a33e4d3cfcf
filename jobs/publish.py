"""Pushes a day's lists to Redis under a new version and lets readers follow it: `python -m jobs.publish --ds D`.

Readers keep the old lists until one command names the new version. Nothing that fails before that is ever seen, and
running it again is safe: the same content is a success that changes nothing.

The arms of a surface's experiment follow it, each under a pointer of its own; one that fails keeps its old lists and
stops no other. Then the experiment starts, changes or ends as the surface's file says (`jobs.publication.trial`).
"""

import json
import logging
import os
from typing import Annotated, Any

import typer
from redis.exceptions import RedisError

from jobs.publication import told, trial
from jobs.publication.door import open_redis
from jobs.publication.pace import step_back
from jobs.publication.partition import ListsPartition
from jobs.publication.surface import Outcome, publish_surface
from lake import storage
from lake.clock import parse_day
from lake.columns import Columns as C
from lake.command import finish
from lake.errors import BadInput, NightshelfError, Unavailable
from lake.settings import Settings
from models import decisions, surfaces
from models.surfaces import Experiment, shelf, surface_and_arm

log = logging.getLogger("nightshelf.publication")

MAX_TITLES = 200_000


def publish(
    settings: Settings, ds: str, surface: str | None = None, *, force: bool = False, run: str = ""
) -> dict[str, Any]:
    """Publish the lists of day `ds` on one surface, or on all that the day has.

    Args:
        force: publish even if newer lists, or the same, serve.
        run: who asked, for the `decisions` table.

    Returns:
        Per surface and arm (`home@treatment`): outcome (`published`, `unchanged`, `held`, of an arm `missing` where
        the day has no lists of it, `failed`), version, lists pushed, seconds, data_through, replaces. Per surface that
        has or had an experiment: what became of it, see `trial.settle`.

    Raises:
        BadInput, Unavailable: see `publish_surface`. Surfaces before the failing one stay published. `Unavailable`
            where arms failed, once everything else is published.
    """
    parse_day(ds, "--ds")
    partition = ListsPartition(settings, ds)
    made = partition.surfaces()
    found = [name for name in made if surface_and_arm(name)[1] is None]
    if surface is not None and surface not in found:
        raise BadInput(f"--surface {surface!r} has no lists on {ds}; there are {', '.join(found)}")
    result: dict[str, dict[str, Any]] = {}
    experiments: dict[str, str] = {}
    with open_redis(settings) as redis:
        for name in [surface] if surface else found:
            done = _publish(settings, redis, partition, name, force=force)
            _record(settings, ds, done, run)
            result[name] = _told(done)
            wanted = _experiment(settings, name)
            for arm in wanted.arms if wanted else ():
                kept = shelf(name, arm)
                result[kept] = _arm(settings, redis, partition, kept, done, kept in made, force=force, run=run)
            arms = [result[shelf(name, arm)]["outcome"] for arm in wanted.arms] if wanted else []
            state = trial.settle(
                redis,
                name,
                wanted.assignment() if wanted else None,
                settings.publish_lease_seconds,
                ready=all(outcome in ("published", "unchanged") for outcome in arms),
            )
            if state != "none":
                experiments[name] = state
                _record_experiment(settings, ds, name, wanted, state, run)
        told.memory(redis)
    _leave_titles(settings, ds)
    failed = {name: each["error"] for name, each in result.items() if each["outcome"] == "failed"}
    if failed:
        failures = "; ".join(f"{name}: {error}" for name, error in failed.items())
        raise Unavailable(f"everything was published but {failures}. Old lists go on serving there; run this again")
    lists = sum(each["lists"] for each in result.values())
    return {"ds": ds, "lists": lists, "surfaces": result, "experiments": experiments}


def _publish(settings: Settings, redis: Any, partition: ListsPartition, kept: str, *, force: bool) -> Outcome:
    try:
        done = publish_surface(settings, redis, partition, kept, force=force)
    except (NightshelfError, RedisError):
        told.outcome(kept, "failed")
        raise
    told.published(done)
    return done


def _told(done: Outcome) -> dict[str, Any]:
    return {
        "version": done.meta.version,
        "outcome": done.outcome,
        "lists": sum(done.lists.values()),
        "seconds": round(done.seconds, 2),
        "data_through": done.meta.data_through,
        "replaces": done.meta.replaces,
    }


def _arm(
    settings: Settings,
    redis: Any,
    partition: ListsPartition,
    kept: str,
    control: Outcome,
    made: bool,
    *,
    force: bool,
    run: str,
) -> dict[str, Any]:
    """Publish an arm beside its surface; it never shows another day's lists than the surface was just given."""
    if control.outcome == "held":
        return {"outcome": "held", "lists": 0}
    if not made:
        told.outcome(kept, "missing")
        log.error(
            "%s: no lists on %s, see arms_left_out of jobs.lists; what it has goes on serving", kept, partition.ds
        )
        return {"outcome": "missing", "lists": 0}
    try:
        done = _publish(settings, redis, partition, kept, force=force)
    except (NightshelfError, RedisError) as error:
        log.error("%s: %s", kept, error)
        return {"outcome": "failed", "lists": 0, "error": str(error)}
    _record(settings, partition.ds, done, run)
    return _told(done)


def _experiment(settings: Settings, surface: str) -> Experiment | None:
    file = settings.surfaces / f"{surface}.yaml"
    return surfaces.read(file).experiment if file.is_file() else None


def _record_experiment(
    settings: Settings, ds: str, surface: str, wanted: Experiment | None, state: str, run: str
) -> None:
    """Note what runs since this day: the analysis holds the exposure log against it."""
    if state == "waits":
        log.warning("%s: an arm of experiment %s has no lists of %s yet", surface, wanted.name if wanted else "", ds)
        return
    text = wanted.assignment().text() if wanted else ""
    reason = f"{surface}: experiment {wanted.name} {state}" if wanted else f"{surface}: the experiment ended"
    figures = {"surface": surface, "state": state, "experiment": text}
    # By its content, so that a run that died before this line is made up for by the next.
    identity = decisions.decision_id(ds, "experiment", f"{surface}|{text}")
    decisions.record(settings, "experiment", ds, reason, figures, run=run, key=identity)


def _record(settings: Settings, ds: str, done: Outcome, run: str) -> None:
    meta, surface = done.meta, done.surface
    figures = {"surface": surface, "version": meta.version, "seconds": round(done.seconds, 2), **done.lists}
    if done.outcome == "held":
        log.warning("%s: lists of %s serve, which is newer than %s; give --replace", surface, meta.data_through, ds)
        reason = f"{surface}: lists through {meta.data_through} serve and are newer than {ds}"
        identity = decisions.decision_id(ds, "hold", f"{surface}|{meta.version}")
        decisions.record(settings, "hold", ds, reason, figures, run=run, key=identity)
        return
    # A first run that died between the flip and here is made up for by the rerun, which finds nothing to publish.
    reason = f"{surface}: {meta.users} shoppers' lists through {ds} by bundle {meta.bundle}"
    figures |= {"users": meta.users, "items": meta.items, "replaces": meta.replaces, "content_hash": meta.content_hash}
    figures |= {"bundle": meta.bundle}
    identity = decisions.decision_id(ds, "publish", f"{surface}|{meta.version}")
    decisions.record(settings, "publish", ds, reason, figures, run=run, key=identity)


def _leave_titles(settings: Settings, ds: str) -> None:
    """Leave `VAR/titles.json` for `storefront.lookup`, which knows Redis only: a convenience that fails no run."""
    try:
        days = [day for day in storage.days(settings, "items") if day <= ds]
        rows = storage.read(settings, "items", ds=days[-1:], columns=[C.ITEM_ID, C.TITLE]) if days else None
        if rows is None or len(rows) > MAX_TITLES:
            return
        titles = dict(zip(rows[C.ITEM_ID].to_pylist(), rows[C.TITLE].to_pylist(), strict=True))
        settings.var.mkdir(parents=True, exist_ok=True)
        draft = settings.var / f"titles.json.{os.getpid()}"
        draft.write_text(json.dumps({item: title for item, title in titles.items() if title}, ensure_ascii=False))
        draft.replace(settings.var / "titles.json")
    except OSError as error:
        log.warning("no titles for storefront.lookup: %s", error)


def main(
    ds: Annotated[str, typer.Option("--ds", help="Day of the lists (data_through), YYYY-MM-DD.")],
    surface: Annotated[str | None, typer.Option(help="Only this surface; all by default.")] = None,
    replace: Annotated[bool, typer.Option(help="Publish even if newer lists, or the same, serve.")] = False,
    run: Annotated[str, typer.Option(help="Who asked, for the decisions table.")] = "",
) -> None:
    """Push a day's lists to Redis and let readers follow them."""

    def work(settings: Settings) -> dict[str, Any]:
        if settings.publish_lists_per_second:
            step_back()
        return publish(settings, ds, surface, force=replace, run=run or f"jobs.publish --ds {ds}")

    finish("jobs.publish", work)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(main)
    app()
