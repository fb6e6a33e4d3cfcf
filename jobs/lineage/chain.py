"""The chain itself: version in Redis <- lists <- bundle and features <- events <- the shop's files."""

import json
from typing import Any

from jobs.lineage.ledger import Landings, Ledger
from jobs.publication.door import open_redis
from jobs.publication.partition import record_name
from jobs.publication.versions import Versions
from lake.errors import BadInput, NightshelfError, Unavailable
from lake.settings import Settings
from models import decisions
from models.registry import Registry
from models.snapshot_reader import FEATURE_TABLES
from models.surfaces import shelf
from storefront.contract import Meta

DAYS = 7
"""Newest days of events that are told one by one; the rest is summed."""


def trace(
    settings: Settings,
    surface: str,
    *,
    arm: str | None = None,
    version: str | None = None,
    ds: str | None = None,
    days: int = DAYS,
) -> dict[str, Any]:
    """Follow a surface's lists back to the shop's files.

    Args:
        arm: of the surface's experiment.
        version: of the lists; by default the one that serves, or that the lists of `ds` were published as.
        ds: day of the lists, by default that of the version.
        days: newest days of events that are told one by one.

    Returns:
        shelf, redis (None where the version does not stand there), publication, lists, bundle, features, events,
        deliveries, gaps (sentences about links that are missing; empty if there are none).

    Raises:
        BadInput: no such version or lists are on record.
        Unavailable: nothing but Redis could tell which lists are meant, and it does not answer.
    """
    kept, gaps = shelf(surface, arm), list[str]()
    meta = _meta(settings, surface, arm, version, ds, gaps)
    published = _publication(settings, kept, meta.version if meta else version, ds)
    day = meta.data_through if meta else ds or (published or {}).get("ds")
    if day is None:
        raise BadInput(
            f"version {version} of {kept} stands neither in Redis nor among the decisions; see jobs.versions"
        )
    if meta is None and published and published.get("version"):
        meta = _meta(settings, surface, arm, published["version"], None, gaps)
    ledger = Ledger(settings, [record_name(kept), "events", "quarantine", *FEATURE_TABLES])
    lists = _lists(ledger, kept, day, meta.content_hash if meta else (published or {}).get("content_hash"), gaps)
    read: dict[str, dict[str, Any]] = lists["read"] or {}
    bundle = meta.bundle if meta else str((published or {}).get("bundle") or "")
    landings = Landings(settings)
    features = _features(ledger, day, read, gaps)
    events = _events(ledger, landings, day, read.get("events", {}).get("version"), settings.history_days, days, gaps)
    files = events.pop("files")
    if (items := next((each for each in features if each["table"] == "items"), None)) is not None:
        files += [each | {"feeds": ["items"]} for each in landings.catalogue(items["ds"], items)]
    return {
        "shelf": kept,
        "ds": day,
        "redis": None if meta is None else {**meta.__dict__, "segments": list(meta.segments)},
        "publication": published,
        "lists": lists,
        "bundle": _bundle(settings, bundle, gaps),
        "features": features,
        "events": events,
        "deliveries": files,
        "gaps": gaps,
    }


def _meta(
    settings: Settings, surface: str, arm: str | None, version: str | None, ds: str | None, gaps: list[str]
) -> Meta | None:
    """What the version says of itself; of the one that serves, where neither version nor day is asked for."""
    if version is None and ds is not None:
        return None
    try:
        with open_redis(settings) as redis:
            versions = Versions(redis, surface, settings.publish_lease_seconds, arm)
            found = versions.meta(version) if version else versions.current()
    except Unavailable as error:
        if version is None:
            raise
        gaps.append(f"Redis does not answer, so what stands there is not compared: {error}")
        return None
    if found is None and version is None:
        raise BadInput(f"{shelf(surface, arm)}: nothing is published; give --ds for lists that only the lake has")
    if found is None:
        gaps.append(f"version {version} does not stand in Redis any more; told from what the lake has on record")
    return found


def _publication(settings: Settings, kept: str, version: str | None, ds: str | None) -> dict[str, Any] | None:
    """The newest decision that published this version, or these lists."""
    rows = [
        row
        for row in decisions.history(settings, ["publish"])
        if row["figures"].get("surface") == kept
        and (version is None or row["figures"].get("version") == version)
        and (ds is None or row["ds"] == ds)
    ]
    if not rows:
        return None
    row, figures = rows[-1], rows[-1]["figures"]
    told = {name: figures.get(name) for name in ("version", "content_hash", "replaces", "bundle")}
    return {"ds": row["ds"], "decided": row["decided_ts"].isoformat(timespec="seconds"), "run": row["run"], **told}


def _lists(ledger: Ledger, kept: str, ds: str, content: str | None, gaps: list[str]) -> dict[str, Any]:
    same = ledger.of_content(record_name(kept), ds, content) if content else None
    found = same or ledger.at(record_name(kept), ds)
    if found is None:
        raise BadInput(f"the lake has no record of lists of {ds} on {kept}; make them: python -m jobs.lists --ds {ds}")
    if content and not same:
        gaps.append(f"no write of the lists of {ds} left the content {content} that was published")
    newest = ledger.at(record_name(kept), ds)
    if same and newest != same:
        gaps.append(f"the lake's lists of {ds} were made again since ({newest and newest['content_hash']})")
    if found["read"] is None:
        gaps.append("these lists were made before it was kept what lists were made from: newest records are told")
    return found | {"published": content, "matches": bool(same) if content else None}


def _features(ledger: Ledger, ds: str, read: dict[str, dict[str, Any]], gaps: list[str]) -> list[dict[str, Any]]:
    found = []
    for table in FEATURE_TABLES:
        of = read.get(table, {})
        if read and not of:
            continue  # a quiet shop's table without rows was not read
        row = ledger.at(table, str(of.get("ds", ds)), of.get("version"))
        if row is None:
            gaps.append(f"no record of {table} as of {of.get('ds', ds)}")
            continue
        found.append(row | {"read_version": of.get("version")})
    return found


def _events(
    ledger: Ledger, landings: Landings, ds: str, version: int | None, history: int, days: int, gaps: list[str]
) -> dict[str, Any]:
    """The days of events that the lists could know, and the files of the newest of them."""
    known = [day for day in ledger.days("events") if day <= ds][-history:]
    rows = {day: row for day in known if (row := ledger.at("events", day, version)) is not None}
    shown, files = [], dict[tuple[Any, ...], dict[str, Any]]()
    for day in sorted(rows)[-days:] if days else []:
        refused = ledger.at("quarantine", day)
        shown.append(rows[day] | {"quarantined": refused["rows"] if refused else None})
        if rows[day]["read"] is None:
            gaps.append(f"events of {day} were written before it was kept from which landings: told by time")
        for file in landings.of_day(day, rows[day]):
            entry = files.setdefault((file["kind"], file["ds"], file["sha256"]), file | {"feeds": []})
            entry["feeds"].append(day)
    return {
        "read_version": version,
        "days": len(rows),
        "rows": sum(row["rows"] for row in rows.values()),
        "first": min(rows, default=None),
        "last": max(rows, default=None),
        "shown": shown,
        "files": list(files.values()),
    }


def _bundle(settings: Settings, version: str, gaps: list[str]) -> dict[str, Any]:
    if not version:
        gaps.append("which bundle made the lists is not on record")
        return {"version": None}
    registry = Registry(settings)
    try:
        found = registry.resolve(version)
    except NightshelfError as error:
        gaps.append(f"bundle {version}: {error}")
        return {"version": version}
    assert found is not None
    manifest = json.loads((found[1] / "manifest.json").read_text(encoding="utf-8"))
    note = registry.cache.root / f"{version}.json"
    return {
        "version": version,
        "content_hash": json.loads(note.read_text(encoding="utf-8"))["content_hash"] if note.is_file() else None,
        "registry": settings.mlflow_tracking_uri,
        **{name: manifest.get(name) for name in ("kind", "trained_through", "code", "partitions")},
        "read": manifest.get("delta_versions"),
        "reference_auc": manifest.get("reference_auc"),
    }
