"""Impressions: what the storefront logged of the lists it showed, typed, once each, pseudonymised as events are.

Lands the exposure log of the days (`impressions` in the source mapping) and makes the table `impressions` of it. As
with events, a day is built from the deliveries ds-1 .. ds+LATE_DAYS and a run also re-makes the LATE_DAYS days before
its own, so what comes late, or comes again with its clicks, finds its day; days that did not change are not written.
"""

import gzip
import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC
from functools import lru_cache
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from jobs import land
from jobs.cli import day_job
from jobs.deliveries import Landing, covered, serving
from jobs.stores import fetch
from lake import mapping, storage
from lake.clock import DayRange
from lake.columns import Columns as C
from lake.exposure import Shown
from lake.mapping import Kind, Source
from lake.partitions import record, recorded
from lake.settings import Settings
from lake.tables import TABLES
from storefront.contract import CONTROL, user_token

log = logging.getLogger("nightshelf.impressions")

BATCH_LINES = 20_000
KINDS: tuple[Kind, ...] = ("impressions",)
TABLE, REFUSED = "impressions", "refused_impressions"

ONCE = f"""
SELECT {C.SHOWN_ID}, {C.ITEM_ID}, {C.DS}, bool_or({C.CLICKED}) AS {C.CLICKED}, arg_min(row, came) AS row
FROM (SELECT *, struct_pack(surface, user_id, rank, list_version, experiment, arm, fallback, stale, shown_ts,
             ingested_ts, source) AS row, (ingested_ts, delivery, line) AS came
      FROM read_parquet($files) WHERE {C.DS} = $ds)
GROUP BY ALL
"""
"""A day's rows, one an item of a list shown: as it first arrived, but clicked if any delivery of it says so."""
HASH = "SELECT count(*), coalesce(sum(md5_number_lower(to_json(rows)::VARCHAR)::HUGEINT), 0) FROM rows"


def run(settings: Settings, days: DayRange) -> Mapping[str, Any]:
    """Land and make the impressions of some days.

    Returns:
        `rows` of the days written or left as they were, `lists` read, `refused` lines, `written` days, and `unknown`,
        fields of the log that the contract does not know.

    Raises:
        BadInput: a delivery is damaged or lacks a field that the contract asks for.
        GateFailed: a day's rows breach a rule; the day stays as it was.
    """
    source = mapping.load(settings.source)
    if source.impressions is None:
        log.info("%s has no impressions: nothing to do", source.path)
        return {"rows": 0, "lists": 0, "refused": 0, "written": 0, "unknown": []}
    land.run(settings, days, kinds=KINDS)
    target = days.widen(before=settings.late_days)
    wide = target.widen(before=1, after=settings.late_days)
    landings = serving(settings, source, "impressions", wide.first, wide.last)
    keys = covered(settings, source, target.first, target.last, "impressions") | set(days.keys())
    totals: dict[str, Any] = {"rows": 0, "lists": 0, "refused": 0, "written": 0, "unknown": _unknown(source, landings)}
    known, known_refused = recorded(settings, TABLE), recorded(settings, REFUSED)
    tally: dict[str, tuple[int, Counter[str]]] = {}
    with TemporaryDirectory(prefix="nightshelf-impressions-") as folder, duckdb.connect() as engine:
        for landing in landings:
            refused, lists = _read(settings, source, landing, Path(folder))
            ds = landing.ds.isoformat()
            tally[ds] = lists, Counter(reason for _, reason in refused)
            if ds in keys:
                totals["lists"] += lists
                totals["refused"] += len(refused)
                rows = [
                    {C.SOURCE: source.name, C.ROW: row, C.REASON: reason, C.INGESTED_TS: landing.available, C.DS: ds}
                    for row, reason in refused
                ]
                _replace(settings, engine, REFUSED, ds, _table(REFUSED, rows), known_refused)
        files = [str(path) for path in Path(folder).glob("*.parquet")]
        # Late rows may fall on days before the first delivery, and a correction may take them away again.
        filled = {ds for ds, (rows, _) in known.items() if rows}
        keys |= set(target.keys()) & (filled | _days(engine, files))
        for ds in sorted(keys):
            made, counts = _once(engine, files, ds), tally.get(ds, (0, Counter()))
            totals["written"] += _replace(settings, engine, TABLE, ds, made, known, counts)
            totals["rows"] += len(made)
    for ds, (_, reasons) in tally.items():
        for reason, count in reasons.most_common(5):
            log.warning("%s: refused %d lists: %s", ds, count, reason)
    return totals


def _unknown(source: Source, landings: Iterable[Landing]) -> list[str]:
    assert source.impressions is not None
    mapped = {name.lower() for name in source.impressions.names()}
    found = sorted({name for landing in landings for name in landing.columns if name.lower() not in mapped})
    if found:
        log.warning("%s: fields that are not mapped: %s", source.path, ", ".join(found))
    return found


def _read(settings: Settings, source: Source, landing: Landing, folder: Path) -> tuple[list[tuple[str, str]], int]:
    """Put the sound rows of one delivery into Parquet files of a folder.

    Returns:
        The refused lines with the reason, and how many lines there are in all.
    """
    assert source.impressions is not None
    names, zone = source.impressions.names(), ZoneInfo(source.impressions.deliveries.time_zone)
    token = _tokens(settings)
    refused: list[tuple[str, str]] = []
    alike: Counter[str] = Counter()
    count = part = 0
    with fetch(settings, landing.uri.removeprefix("file://")) as found:
        if found is None:
            raise FileNotFoundError(landing.uri)
        lines = _lines(found.path)
        while batch := list(islice(lines, BATCH_LINES)):
            rows: list[dict[str, Any]] = []
            for line in batch:
                count += 1
                try:
                    shown = _shown(line, names, zone)
                    _near(shown, landing, settings.late_days)
                except ValueError as error:
                    refused.append((line.decode("utf-8", "replace"), _reason(error)))
                    continue
                identity = shown.identity(1)
                if shown.user_id is None and shown.shown_id is None:
                    alike[identity] += 1
                    identity = shown.identity(alike[identity])
                rows += _rows(shown, identity, token, landing, source.name, count)
            if rows:
                pq.write_table(_scratch(rows), folder / f"{landing.ds}-{part}.parquet")
                part += 1
    return refused, count


def _lines(path: Path) -> Iterator[bytes]:
    with gzip.open(path, "rb") if path.name.endswith(".gz") else path.open("rb") as file:
        yield from (stripped for line in file if (stripped := line.strip()))


def _shown(line: bytes, names: Mapping[str, str], zone: ZoneInfo) -> Shown:
    row = json.loads(line)
    if not isinstance(row, dict):
        raise ValueError("row: no JSON object")
    shown = Shown.model_validate({names[name]: value for name, value in row.items() if name in names})
    stamp = shown.shown_ts if shown.shown_ts.tzinfo else shown.shown_ts.replace(tzinfo=zone)
    return shown.model_copy(update={"shown_ts": stamp.astimezone(UTC)})


def _near(shown: Shown, landing: Landing, late_days: int) -> None:
    """As for events: a delivery holds its day, the next one's first hours, and what came late."""
    days = (shown.shown_ts.date() - landing.ds).days
    if days > 1:
        raise ValueError("shown_ts: after the day of the delivery")
    if days < -late_days:
        raise ValueError(f"shown_ts: more than {late_days} days before the delivery")


def _reason(error: ValueError) -> str:
    """Column and what is wrong with it, without the value: reasons are counted."""
    if not isinstance(error, ValidationError):
        return str(error) if str(error).startswith(("row:", "shown_ts:")) else "row: cannot be read"
    fault = error.errors()[0]
    where = ".".join("*" if isinstance(part, int) else str(part) for part in fault["loc"])
    told = "missing" if fault["type"] == "missing" else str(fault["msg"]).removeprefix("Value error, ")
    told = "not an id of 1 to 256 bytes" if told.startswith("id ") else told
    return f"{where}: {told}" if where else told


def _tokens(settings: Settings) -> Any:
    """Shop's id -> what the lake calls the shopper, as `jobs.events` does."""
    if not settings.pseudonymise:
        return lambda user_id: user_id
    key = settings.key()
    return lru_cache(maxsize=1_000_000)(lambda user_id: user_token(user_id, key))


def _rows(
    shown: Shown, identity: str, token: Any, landing: Landing, source: str, line: int
) -> Iterator[dict[str, Any]]:
    known = shown.user_id is not None
    arm = shown.arm or (CONTROL if shown.experiment and known else None)
    for rank, item in shown.ranked():
        yield {
            C.SHOWN_ID: identity,
            C.SURFACE: shown.surface,
            C.USER_ID: token(shown.user_id) if known else None,
            C.ITEM_ID: item.item_id,
            C.RANK: rank,
            C.LIST_VERSION: shown.list_version,
            C.EXPERIMENT: shown.experiment,
            C.ARM: arm,
            C.FALLBACK: shown.fallback,
            C.STALE: shown.stale,
            C.SHOWN_TS: shown.shown_ts,
            C.CLICKED: item.clicked,
            C.INGESTED_TS: landing.available,
            C.SOURCE: source,
            C.DS: shown.shown_ts.date().isoformat(),
            "delivery": landing.ds.isoformat(),
            "line": line,
        }


def _scratch(rows: list[dict[str, Any]]) -> pa.Table:
    extra = [pa.field("delivery", pa.string()), pa.field("line", pa.int64())]
    return pa.Table.from_pylist(rows, pa.schema([*TABLES[TABLE].arrow_schema(), *extra]))


def _table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, TABLES[name].arrow_schema())


def _days(engine: duckdb.DuckDBPyConnection, files: list[str]) -> set[str]:
    query = f"SELECT DISTINCT {C.DS} FROM read_parquet($files)"
    return {ds for (ds,) in engine.execute(query, {"files": files}).fetchall()} if files else set()


def _once(engine: duckdb.DuckDBPyConnection, files: list[str], ds: str) -> pa.Table:
    schema = TABLES[TABLE].arrow_schema()
    if not files:
        return schema.empty_table()
    found = engine.sql(f"SELECT * EXCLUDE (row), unnest(row) FROM ({ONCE})", params={"files": files, "ds": ds})
    return found.to_arrow_table().select(schema.names).cast(schema)


def _mark(engine: duckdb.DuckDBPyConnection, rows: pa.Table) -> tuple[int, str]:
    """Number of rows and an order-free hash of them."""
    engine.register("rows", rows)
    ((count, total),) = engine.execute(HASH).fetchall()
    engine.unregister("rows")
    return int(count), f"{int(total) & (2**64 - 1):016x}"


def _replace(
    settings: Settings,
    engine: duckdb.DuckDBPyConnection,
    name: str,
    ds: str,
    rows: pa.Table,
    known: Mapping[str, tuple[int, str]],
    gated: tuple[int, Mapping[str, int]] | None = None,
) -> bool:
    """Replace a day, unless it holds just these rows; an empty day leaves its mark.

    Args:
        gated: lines of the day's delivery and how many were refused, by reason, for the gate.
    """
    mark = _mark(engine, rows)
    if known.get(ds) == mark:
        return False
    if gated is not None:
        from validation.gate import gate  # its imports cost seconds that an unchanged day should not pay

        lines, reasons = gated
        gate(name, rows, [ds], settings=settings, context={"raw": lines, "reasons": dict(reasons)})
    if len(rows) or known.get(ds, (0, ""))[0]:
        written = storage.replace_days(settings, name, rows, [ds])
    else:
        written = storage.version(settings, name) or 0
    record(settings, [(name, ds, *mark)], written, "jobs.impressions")
    return True


app = day_job(run, __doc__ or "")

if __name__ == "__main__":
    app()
