"""The `decisions` table: what was decided on a day, why, and on which figures.

A decision's id is made from the day, the kind and what it was about, so that deciding the same thing twice leaves one
row.
"""

import hashlib
import json
import math
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from lake import storage
from lake.columns import Columns as C
from lake.errors import BadInput
from lake.settings import Settings
from lake.tables import TABLES

TABLE = "decisions"
KINDS = TABLES[TABLE].column(C.KIND).allowed
JSON_COLUMNS = ("figures", "thresholds", "intervals")


def decision_id(ds: str, kind: str, about: str) -> str:
    """Stable id of a decision: 16 hex digits of SHA-256 over the day, the kind and its subject."""
    return hashlib.sha256(f"{ds}|{kind}|{about}".encode()).hexdigest()[:16]


def record(
    settings: Settings,
    kind: str,
    ds: date | str,
    reason: str,
    figures: Mapping[str, Any],
    thresholds: Mapping[str, Any] | None = None,
    intervals: Mapping[str, Sequence[float]] | None = None,
    run: str = "",
    *,
    key: str | None = None,
) -> str:
    """Add one decision and return its id.

    Args:
        kind: one of the table's allowed kinds.
        ds: the day judged or published.
        reason: one sentence for a person.
        figures, thresholds, intervals: what was measured, against what, how surely; JSON-serialisable.
        run: who decided: a DAG run id or the command line.
        key: the decision's id if it must be found again; a row that already has it is left as it is. Without one,
            every call adds a row.

    Raises:
        BadInput: an unknown kind.
    """
    if kind not in KINDS:
        raise BadInput(f"kind={kind!r} is no decision; expected one of {', '.join(KINDS)}")
    day = ds if isinstance(ds, str) else ds.isoformat()
    now = datetime.now(UTC)
    identity = key or decision_id(day, kind, f"{run}|{now.isoformat()}")
    if key is not None and find(settings, key, day) is not None:
        return key
    row = {
        "decision_id": identity,
        C.KIND: kind,
        C.REASON: reason,
        "figures": _json(figures),
        "thresholds": _json(thresholds or {}),
        "intervals": _json(intervals or {}),
        "run": run,
        "decided_ts": now,
        C.DS: day,
    }
    storage.append(settings, TABLE, pa.Table.from_pylist([row], schema=TABLES[TABLE].arrow_schema()))
    return identity


def find(settings: Settings, identity: str, ds: date | str) -> dict[str, Any] | None:
    """The decision with this id on that day, or None."""
    day = ds if isinstance(ds, str) else ds.isoformat()
    rows = storage.read(settings, TABLE, ds=day, filters=[("decision_id", "=", identity)]).to_pylist()
    return _decoded(rows[0]) if rows else None


def history(
    settings: Settings, kinds: Collection[str] = KINDS, *, start: date | None = None, end: date | None = None
) -> list[dict[str, Any]]:
    """Decisions of these kinds whose day lies in `start`..`end` (both included), oldest first."""
    rows = storage.read(
        settings,
        TABLE,
        start=None if start is None else start.isoformat(),
        end=None if end is None else end.isoformat(),
        filters=[(C.KIND, "in", list(kinds))],
    ).to_pylist()
    return [_decoded(row) for row in sorted(rows, key=lambda row: (row[C.DS], row["decided_ts"]))]


def latest(
    settings: Settings, kinds: str | Collection[str] = KINDS, ds: date | str | None = None
) -> dict[str, Any] | None:
    """The newest decision of these kinds, by day and then by when it was made; of one day if `ds` is given."""
    day = date.fromisoformat(ds) if isinstance(ds, str) else ds
    rows = history(settings, [kinds] if isinstance(kinds, str) else kinds, start=day, end=day)
    return rows[-1] if rows else None


def plain(value: Any) -> Any:
    """The value as strict JSON knows it: numpy scalars as numbers, NaN and infinities as null, days as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(entry) for entry in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(plain(value), sort_keys=True, allow_nan=False)


def _decoded(row: dict[str, Any]) -> dict[str, Any]:
    return row | {column: json.loads(row[column]) for column in JSON_COLUMNS}
