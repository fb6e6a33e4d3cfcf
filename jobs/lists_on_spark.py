"""Shoppers scored by Spark, a batch a task, for shops that one machine cannot do in a night: SCORING=spark.

The sources are fitted once, here, and sent to every worker with the snapshot and the bundle; a worker does with a batch
exactly what one process does with it, and writes its lists beside the others. Workers need this project installed.
"""

import logging
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from jobs.shelves import Shelf, rank
from jobs.spark import session
from jobs.spool import Files, Spooled
from lake.settings import Settings
from models.bundle import Bundle
from models.policy.reasons import Explainer
from models.snapshot import Snapshot

log = logging.getLogger("nightshelf.lists")

DONE = pa.schema(
    [("shelf", pa.int32()), ("path", pa.string()), ("rows", pa.int64()), ("digest", pa.string()), ("why", pa.string())]
)
"""What a task tells: a file it wrote, or, without a path, why a shelf failed."""


@dataclass(frozen=True)
class _Night:
    """What every worker holds."""

    settings: Settings
    files: Files
    snapshot: Snapshot
    bundle: Bundle
    shelves: Sequence[Shelf]
    batches: Sequence[Sequence[str]]


def fill(
    settings: Settings,
    files: Files,
    snapshot: Snapshot,
    bundle: Bundle,
    shelves: Sequence[Shelf],
    batches: Sequence[Sequence[str]],
) -> None:
    """Put the lists of all batches of users on the shelves, in the order of the batches.

    Raises:
        What scoring raises, for shelves that are no arms.
    """
    _ = bundle.ranking(snapshot).model  # made here once, not by every worker
    # A task has one core; its other threads are other tasks'.
    mine = settings.model_copy(update={"threads": 1})
    bare = [replace(shelf, spool=None, spooled=[]) for shelf in shelves]  # type: ignore[arg-type]
    night = pickle.dumps(_Night(mine, files, snapshot, bundle, bare, batches), protocol=pickle.HIGHEST_PROTOCOL)
    with session(settings, "lists") as spark:
        size, where = len(night) / 1e6, spark.sparkContext.master
        log.info("%d batches of shoppers over Spark at %s, %.0f MB to each worker", len(batches), where, size)
        sent = spark.sparkContext.broadcast(night)

        def work(numbers: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for part in numbers:
                for number in part["number"].to_pylist():
                    yield _scored(sent, number)

        frame = spark.createDataFrame([(number,) for number in range(len(batches))], "number int")
        columns = "shelf int, path string, rows long, digest string, why string"
        told = frame.repartition(max(len(batches), 1), "number").mapInArrow(work, columns).collect()
    for row in sorted(told, key=lambda row: row.path or ""):
        if row.path:
            shelves[row.shelf].spooled.append(Spooled(row.path, row.rows, int(row.digest, 16)))
        else:
            shelves[row.shelf].failure = row.why


_HELD: dict[int, _Night] = {}
"""The night that this worker process has unpacked."""


def _scored(sent: Any, number: int) -> pa.RecordBatch:
    """Score one batch of users and write its lists."""
    key = id(sent)
    if key not in _HELD:
        _HELD.clear()
        _HELD[key] = pickle.loads(sent.value)
    night = _HELD[key]
    mine = [
        replace(shelf, spool=night.files.spool(f"{place:03d}-{number:06d}"), spooled=[])
        for place, shelf in enumerate(night.shelves)
    ]
    users = list(night.batches[number])
    rank(night.settings, night.bundle, night.snapshot, mine, users, Explainer(night.bundle, night.snapshot))
    told: list[dict[str, Any]] = []
    for place, shelf in enumerate(mine):
        shelf.close()
        if shelf.failure:
            told.append({"shelf": place, "why": shelf.failure})
        else:
            told += [{"shelf": place, **vars(each), "digest": f"{each.digest:016x}"} for each in shelf.spooled]
    return pa.RecordBatch.from_pylist(told, schema=DONE)
