"""The headers of event deliveries, held against the mapping and against what was delivered before.

`jobs.land` refuses a file that lacks a mapped column, but a mapping can change after files were landed. Only the
headers noted in `deliveries` are looked at, no file.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from jobs.deliveries import Landing
from lake import storage
from lake.clock import DayRange
from lake.columns import Columns as C
from lake.mapping import Source, referenced_columns
from lake.settings import Settings

ESSENTIAL = {f"events.columns.{name}" for name in (C.USER_ID, C.ITEM_ID, C.EVENT_TYPE, C.EVENT_TS)}
"""Keys of the mapping without whose columns a row means nothing, or something else: everybody would be anonymous."""


def compared(settings: Settings, source: Source, landings: Sequence[Landing], days: DayRange) -> dict[str, list[str]]:
    """What the raw gate wants to know of the headers.

    Args:
        landings: every delivery that is read, by day; at least one.
        days: the days that were asked for; only their deliveries are looked at for new columns, so that a column is
            told on the night it comes and not on those that read the file again.

    Returns:
        `missing_columns`: columns that the mapping reads and a delivery lacks. A column that came later than the
        delivery does not count: its values are unknown before it came, unless a row cannot do without (`ESSENTIAL`).
        `unknown_columns`: columns that no earlier delivery had and the mapping does not read. Both with their files.

    Raises:
        BadInput: no delivery has a column that the mapping reads; names mapping, key, column and newest file.
    """
    present = [(landing, {name.lower() for name in landing.columns}) for landing in landings]
    columns = sorted({column for landing in landings for column in landing.columns})
    source.check_columns("events", columns, _file(landings[-1]))
    missing: dict[str, list[str]] = {}
    for key, text in source.expressions("events").items():
        for column in sorted(referenced_columns(text)):
            since = next(landing.ds for landing, names in present if column.lower() in names)
            missing[f"{column} ({key})"] = [
                _file(landing)
                for landing, names in present
                if column.lower() not in names and (key in ESSENTIAL or landing.ds > since)
            ]
    return {"missing_columns": _told(missing), "unknown_columns": _told(_new(settings, source, landings, days))}


def _new(settings: Settings, source: Source, landings: Iterable[Landing], days: DayRange) -> dict[str, list[str]]:
    asked = {source.deliveries.first_day(day) for day in days}
    mapped = {name.lower() for text in source.expressions("events").values() for name in referenced_columns(text)}
    rows = storage.read(
        settings,
        "deliveries",
        columns=[C.DS, "columns"],
        filters=[(C.SOURCE, "=", source.name), (C.KIND, "=", "events")],
    ).to_pylist()
    delivered = [(row[C.DS], {name.lower() for name in json.loads(row["columns"] or "[]")}) for row in rows]
    found: dict[str, list[str]] = {}
    for landing in landings:
        earlier = [names for ds, names in delivered if names and ds < landing.ds.isoformat()]
        if landing.ds in asked and earlier:
            known = mapped.union(*earlier)
            for column in landing.columns:
                if column.lower() not in known:
                    found.setdefault(column, []).append(_file(landing))
    return found


def _file(landing: Landing) -> str:
    """The shop's name of the file: its copy is called `<fingerprint>-<name>`."""
    return PurePosixPath(landing.uri).name.partition("-")[2]


def _told(found: Mapping[str, Sequence[str]]) -> list[str]:
    return [
        f"{column} in {files[0]}" + (f" and {len(files) - 1} more files" if len(files) > 1 else "")
        for column, files in found.items()
        if files
    ]
