"""Land: copy a shop's deliveries into the lake, unchanged, with fingerprint and time of arrival.

A file is taken in only if it is whole and has the columns that the mapping reads. The same bytes again change
nothing; corrected bytes add a landing, and the newest landing of a path serves.
"""

import json
import logging
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import typer

from jobs.cli import Ds, From, To, finish
from jobs.stores import Fetched, fetch, store
from lake import mapping, storage
from lake.clock import DayRange, day_end, shift
from lake.columns import Columns as C
from lake.errors import BadInput, Unavailable
from lake.inspection import inspect
from lake.mapping import Deliveries, Kind, Source
from lake.prometheus import metrics as prometheus
from lake.settings import Settings
from lake.tables import TABLES

log = logging.getLogger("nightshelf.land")


def run(
    settings: Settings,
    days: DayRange,
    history: bool | None = None,
    dry_run: bool = False,
    kinds: Collection[Kind] = ("events", "items"),
) -> Mapping[str, Any]:
    """Land every file that covers the days.

    Args:
        kinds: of file. The exposure log is landed by `jobs.impressions`: a damaged one must not stop the night.
        history: the deliveries are old ones, so their time of arrival is assumed (end of day plus the source's
            delay). None: assumed where a file lands for the first time more than LATE_DAYS after its day.
        dry_run: inspect only, copy nothing.

    Returns:
        Counts: `deliveries` taken in, `unchanged`, `missing` days, `bytes`.

    Raises:
        BadInput: a file is damaged or lacks a column; files before it stay landed, the rerun goes on from there.
        Unavailable: a delivery that the source waits for is not there yet.
    """
    source = mapping.load(settings.source)
    landed = _landings(settings, source)
    totals = {"deliveries": 0, "unchanged": 0, "missing": 0, "bytes": 0}
    rows: list[dict[str, Any]] = []
    try:
        for kind, spec in source.streams():
            if kind not in kinds:
                continue
            for first in sorted({spec.first_day(day) for day in days}):
                day = first if spec.period != "all" else days.first
                uri = f"{settings.data.rstrip('/')}/{spec.file(day)}"
                known = landed.get((kind, first.isoformat()))
                with fetch(settings, uri) as found:
                    if found is None:
                        totals["missing"] += 1
                        row = _missing(source, spec, kind, day, uri, bool(history))
                    else:
                        row = _take(settings, source, spec, kind, first, uri, found, known, dry_run)
                if row is None or (known and known["sha256"] == row["sha256"]):
                    totals["unchanged"] += row is None or row["sha256"] is not None
                    continue
                now = datetime.now(UTC)
                row |= {C.SOURCE: source.name, C.KIND: kind, C.DS: first.isoformat(), "landed_ts": now}
                row["first_landed_ts"] = known["first_landed_ts"] if known else now
                late = now > day_end(shift(spec_last(spec, first, days), settings.late_days))
                assumed = history if history is not None else late
                row[C.INGESTED_ASSUMED] = known[C.INGESTED_ASSUMED] if known else assumed
                totals["deliveries"] += row["uri"] is not None
                totals["bytes"] += row["bytes"]
                rows.append(row)
    finally:
        _tell(totals)
        if rows and not dry_run:
            storage.append(settings, "deliveries", pa.Table.from_pylist(rows, TABLES["deliveries"].arrow_schema()))
    log.info("%s %s: %s", source.name, days, totals)
    return totals


def _tell(totals: Mapping[str, int]) -> None:
    files = {"new": "deliveries", "unchanged": "unchanged", "missing": "missing"}
    prometheus.LAND_FILES.tell_all({result: totals[name] for result, name in files.items()})
    prometheus.LAND_BYTES.tell(totals["bytes"])


def spec_last(spec: Deliveries, first: Any, days: DayRange) -> Any:
    """Last day that a landing can speak for: its own, its month's, or the range's."""
    if spec.period == "day":
        return first
    return (
        shift((first.replace(day=28) + timedelta(days=4)).replace(day=1), -1) if spec.period == "month" else days.last
    )


def _landings(settings: Settings, source: Source) -> dict[tuple[str, str], dict[str, Any]]:
    """The newest landing of every kind and first day."""
    rows = storage.read(settings, "deliveries", filters=[(C.SOURCE, "=", source.name)]).sort_by("landed_ts")
    return {(row[C.KIND], row[C.DS]): row for row in rows.to_pylist()}


def _missing(source: Source, spec: Deliveries, kind: str, day: Any, uri: str, history: bool) -> dict[str, Any] | None:
    message = f"{source.name}: no {kind} delivery for {day} at {uri}"
    if spec.missing_day == "normal" or kind != "events":
        log.info("%s; the source says that this is normal: an empty day", message)
        return {
            "uri": None,
            "path": None,
            "bytes": 0,
            "sha256": None,
            "columns": None,
            "etag": None,
            "version_id": None,
        }
    if spec.missing_day == "wait" and not history:
        raise Unavailable(f"{message}; the source says wait: it is tried again until it is there")
    raise BadInput(
        f"{message}. Deliver it and land the day again, or set missing_day: normal in {source.path} "
        "if days without a file happen."
    )


def _take(
    settings: Settings,
    source: Source,
    spec: Deliveries,
    kind: Any,
    first: Any,
    uri: str,
    found: Fetched,
    known: dict[str, Any] | None,
    dry_run: bool,
) -> dict[str, Any] | None:
    """Inspect a file and copy it; None where the same bytes were landed before."""
    seen = inspect(found.path, spec, uri)
    if known and known["sha256"] == seen.sha256:
        return None
    if seen.columns:
        unused = source.check_columns(kind, seen.columns, uri)
        if unused and known is None:
            log.debug("%s: columns not mapped: %s", uri, ", ".join(unused))
    elif spec.missing_day == "normal" or kind == "impressions":
        log.warning("%s is empty (%d bytes, no header): taken as a day without rows", uri, seen.bytes)
    else:
        raise BadInput(
            f"{uri} is empty ({seen.bytes} bytes, no header). A day without events is a file with a header only, "
            f"or set missing_day: normal in {source.path}."
        )
    relative = f"raw/{source.name}/{kind}/ds={first.isoformat()}/{seen.sha256[:12]}-{Path(uri).name}"
    if not dry_run:
        store(settings, found.path, relative)
    if known and known["sha256"]:
        log.warning("%s was delivered again with other content: the new landing serves", uri)
    log.info("%s: %d bytes", uri, seen.bytes)
    return {
        "uri": uri,
        "path": relative,
        "bytes": seen.bytes,
        "sha256": seen.sha256,
        "etag": found.etag,
        "version_id": found.version_id,
        "columns": json.dumps(seen.columns),
    }


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(help=__doc__)
def main(
    ds: Ds = None,
    start: From = None,
    end: To = None,
    history: Annotated[
        bool | None, typer.Option(help="Arrival time is assumed (old deliveries); default: by the file's age.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Inspect the files, copy nothing.")] = False,
) -> None:
    finish("jobs.land", lambda s: run(s, DayRange.parse(ds, start, end), history, dry_run))


if __name__ == "__main__":
    app()
