"""Where analyses of experiments are kept: the table `experiments`, one row a surface, experiment and window."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from lake import storage
from lake.columns import Columns as C
from lake.settings import Settings
from lake.tables import TABLES

TABLE = "experiments"
FIRST = "first_ds"


def keep(settings: Settings, result: Mapping[str, Any]) -> None:
    """Put a result (strict JSON) in the place of an earlier one of the same surface, experiment and window."""
    row = {
        C.SURFACE: result["surface"],
        C.EXPERIMENT: result["experiment"]["name"],
        FIRST: result["from"],
        "trusted": result["verdict"]["trust"],
        "result": json.dumps(result, allow_nan=False, ensure_ascii=False),
        "analysed_ts": datetime.now(UTC),
        C.DS: result["to"],
    }
    others = storage.read(settings, TABLE, ds=result["to"]).to_pylist()
    rows = [each for each in others if _key(each) != _key(row)] + [row]
    storage.replace_days(settings, TABLE, pa.Table.from_pylist(rows, TABLES[TABLE].arrow_schema()), [result["to"]])


def overview(settings: Settings) -> list[dict[str, Any]]:
    """All analyses without their figures, the newest windows first."""
    columns = [name for name in TABLES[TABLE].column_names if name != "result"]
    rows: list[dict[str, Any]] = storage.read(settings, TABLE, columns=columns).to_pylist()
    return sorted(rows, key=lambda row: (row[C.DS], row[FIRST], row[C.SURFACE], row[C.EXPERIMENT]), reverse=True)


def find(settings: Settings, surface: str, experiment: str, first: str, last: str) -> dict[str, Any] | None:
    """One result, or None."""
    wanted = [(C.SURFACE, "=", surface), (C.EXPERIMENT, "=", experiment), (FIRST, "=", first)]
    rows = storage.read(settings, TABLE, ds=last, filters=wanted).to_pylist()
    found: dict[str, Any] | None = json.loads(rows[0]["result"]) if rows else None
    return found


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in TABLES[TABLE].key)
