"""Records of written partitions, and the landings that a day of events was made from."""

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from lake import mapping, storage
from lake.clock import parse_day, shift
from lake.columns import Columns as C
from lake.settings import Settings

SHOWN = ("uri", "path", "bytes", "sha256", "etag", "version_id", "landed_ts", "first_landed_ts")


class Ledger:
    """The table `partitions`, read once."""

    def __init__(self, settings: Settings, tables: Iterable[str]) -> None:
        rows = storage.read(settings, "partitions", filters=[("table", "in", sorted(tables))])
        self._rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for row in rows.sort_by([("delta_version", "ascending"), ("written_ts", "ascending")]).to_pylist():
            self._rows.setdefault((row["table"], row[C.DS]), []).append(_told(row))

    def at(self, table: str, ds: str, version: int | None = None) -> dict[str, Any] | None:
        """What was last written into a partition, up to a Delta version of the table if one is given."""
        rows = self._rows.get((table, ds), [])
        known = [row for row in rows if version is None or row["delta_version"] <= version]
        return known[-1] if known else None

    def of_content(self, table: str, ds: str, content: str) -> dict[str, Any] | None:
        """The last write of a partition that left this content."""
        rows = [row for row in self._rows.get((table, ds), []) if row["content_hash"] == content]
        return rows[-1] if rows else None

    def days(self, table: str) -> list[str]:
        """Days that were ever written, ascending."""
        return sorted(ds for name, ds in self._rows if name == table)


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("table", C.DS, "rows", "content_hash", "delta_version", "job", "code")
    read = json.loads(row["read"]) if row["read"] else None
    return {name: row[name] for name in names} | {"written": _time(row["written_ts"]), "read": read}


class Landings:
    """The table `deliveries`, as it was when something was made from it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._source = mapping.load(settings.source)
        self._at = lru_cache(64)(self._read)

    def of_day(self, ds: str, written: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The landings that served when a day of events was written, by file; days without a file are left out.

        Args:
            written: the day's row of `Ledger`.
        """
        spec, day = self._source.deliveries, parse_day(ds)
        around = range(-1, self._settings.late_days + 1)
        wanted = {spec.first_day(shift(day, n)).isoformat() for n in around}
        return self._serving("events", wanted, written)

    def catalogue(self, ds: str, written: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The catalogue's landing that served as of a day; empty where the source delivers none."""
        if self._source.items is None or self._source.items.deliveries is None:
            return []
        day = parse_day(ds)
        spec = self._source.items.deliveries
        wanted = {spec.first_day(shift(day, -n)).isoformat() for n in range(32)}
        return self._serving("items", wanted, written)[-1:]

    def _serving(self, kind: str, wanted: set[str], written: Mapping[str, Any]) -> list[dict[str, Any]]:
        read = (written["read"] or {}).get("deliveries")
        newest: dict[str, dict[str, Any]] = {}
        for row in self._at(read["version"] if read else None):
            in_time = read is not None or _time(row["landed_ts"]) <= written["written"]
            if row[C.KIND] == kind and row[C.DS] in wanted and in_time:
                newest[row[C.DS]] = row
        return [
            {C.KIND: kind, C.DS: ds, **{name: _plain(row[name]) for name in SHOWN}}
            for ds, row in sorted(newest.items())
            if row["path"]
        ]

    def _read(self, version: int | None) -> list[dict[str, Any]]:
        filters = [(C.SOURCE, "=", self._source.name)]
        rows = storage.read(self._settings, "deliveries", filters=filters, version=version)
        found: list[dict[str, Any]] = rows.sort_by("landed_ts").to_pylist()
        return found


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def _plain(value: Any) -> Any:
    return _time(value) if isinstance(value, datetime) else value.isoformat() if isinstance(value, date) else value
