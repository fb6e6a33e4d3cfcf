"""Pushes a day's lists to Redis under a new version and lets readers follow it: `python -m jobs.publish --ds D`.

Readers keep the old lists until one command names the new version. Nothing that fails before that is ever seen, and
running it again is safe: the same content is a success that changes nothing.
"""

import json
import logging
import os
from typing import Annotated, Any

import typer

from jobs.publication.door import open_redis
from jobs.publication.partition import ListsPartition
from jobs.publication.surface import Outcome, publish_surface
from lake import storage
from lake.clock import parse_day
from lake.columns import Columns as C
from lake.command import finish
from lake.errors import BadInput
from lake.settings import Settings
from models import decisions

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
        Per surface: version, outcome (`published`, `unchanged`, `held`), lists pushed, seconds, data_through, replaces.

    Raises:
        BadInput, Unavailable: see `publish_surface`. Surfaces before the failing one stay published.
    """
    parse_day(ds, "--ds")
    partition = ListsPartition(settings, ds)
    found = partition.surfaces()
    if surface is not None and surface not in found:
        raise BadInput(f"--surface {surface!r} has no lists on {ds}; there are {', '.join(found)}")
    result = {}
    with open_redis(settings) as redis:
        for name in [surface] if surface else found:
            done = publish_surface(settings, redis, partition, name, force=force)
            _record(settings, ds, done, run)
            result[name] = {
                "version": done.meta.version,
                "outcome": done.outcome,
                "lists": sum(done.lists.values()),
                "seconds": round(done.seconds, 2),
                "data_through": done.meta.data_through,
                "replaces": done.meta.replaces,
            }
    _leave_titles(settings, ds)
    return {"ds": ds, "lists": sum(each["lists"] for each in result.values()), "surfaces": result}


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
    finish("publish", lambda s: publish(s, ds, surface, force=replace, run=run or f"jobs.publish --ds {ds}"))


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(main)
    app()
