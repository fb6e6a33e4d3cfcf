"""Lists with known content: an item's id tells the edition, the owner and the rank, so that mixtures show."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pyarrow as pa

from jobs.publication.assembling import COLUMNS, ContentHash, assemble
from jobs.publication.partition import record_name
from lake import storage
from lake.columns import Columns as C
from lake.settings import Settings
from lake.tables import TABLES

SEGMENTS = ("country=GB", "device=mobile", "all")


def item(edition: str, owner: str, rank: int) -> str:
    return f"{edition}/{owner}/{rank}"


def rows(
    edition: str,
    ds: str,
    users: Sequence[str],
    *,
    surface: str = "home",
    k: int = 5,
    items: Sequence[str] = ("i1", "i2"),
    bundle: str = "1",
) -> pa.Table:
    """Segment, item and user lists of one surface, in the order in which jobs.lists writes."""
    owners = [("segment", s) for s in SEGMENTS] + [("item", i) for i in items] + [("user", u) for u in users]
    reason = {"segment": "popular", "item": "co", "user": "co"}
    data = [
        (surface, kind, owner, rank, item(edition, owner, rank), 1.0 / rank, 0.5, "co_visitation", reason[kind], owner)
        for kind, owner in owners
        for rank in range(1, k + 1)
    ]
    names = TABLES["lists"].column_names
    columns = [list(column) for column in zip(*data, strict=True)]
    columns += [[bundle] * len(data), [ds] * len(data)]
    return pa.Table.from_arrays([pa.array(c) for c in columns], names=names).cast(TABLES["lists"].arrow_schema())


def write(settings: Settings, *tables: pa.Table, record: bool = True) -> None:
    """Put lists of one day into the lake, with the record that jobs.lists leaves."""
    whole = pa.concat_tables(tables)
    ds = whole[C.DS][0].as_py()
    storage.replace_days(settings, "lists", whole, [ds])
    if not record:
        return
    marks = []
    for surface in sorted(set(whole[C.SURFACE].to_pylist())):
        part = whole.filter(pa.compute.equal(whole[C.SURFACE], surface))
        content = ContentHash()
        for each in assemble(part.select(list(COLUMNS)).combine_chunks().to_batches()):
            content.add(each)
        marks.append(
            {
                "table": record_name(surface),
                C.DS: ds,
                "rows": len(part),
                "content_hash": content.hexdigest(),
                "delta_version": 0,
                "job": "test",
                "written_ts": datetime.now(UTC),
            }
        )
    storage.append(settings, "partitions", pa.Table.from_pylist(marks, TABLES["partitions"].arrow_schema()))
