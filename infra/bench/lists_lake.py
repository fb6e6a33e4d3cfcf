"""A night's lists, drawn at random, in a lake of the bench's own: tables as `jobs.lists` leaves them."""

import hashlib
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from jobs.publication.assembling import COLUMNS, ContentHash, assemble
from jobs.publication.partition import record_name
from lake import storage
from lake.columns import Columns as C
from lake.partitions import record
from lake.settings import Settings
from lake.tables import TABLES

DS = "2026-11-22"
SURFACE = "home"
K = 50
CATALOGUE = 25_000
PART_USERS = 50_000
REASONS = {"co": 0.5, "similar": 0.2, "bought": 0.15, "popular": 0.1, "new": 0.05}
"""Share of each reason; all have a value of six characters here."""

SEED = 7


def make(folder: Path, users: int, redis_url: str = "", *, ds: str = DS, written: datetime | None = None) -> Settings:
    """Write a night of `users` lists of `K` six-digit ids, filed under pseudonyms (64 hex digits), and everybody's.

    Args:
        ds: day of the lists.
        written: when they were made; now by default.

    Returns:
        Settings on that lake.
    """
    settings = Settings(var=folder, redis_url=redis_url)
    random = np.random.default_rng(SEED)
    items = pa.array(random.choice(np.arange(100_000, 1_000_000), CATALOGUE, replace=False).astype(str))
    content, rows = ContentHash(), 0
    parts = [("segment", ["all"])]
    parts += [("user", _tokens(start, min(start + PART_USERS, users))) for start in range(0, users, PART_USERS)]
    for kind, owners in parts:
        table = _rows(random, items, kind, owners, ds)
        for whole in assemble(table.select(list(COLUMNS)).to_batches()):
            content.add(whole)
        rows += len(table)
        version = storage.append(settings, "lists", table)
    mark = (record_name(SURFACE), ds, rows, content.hexdigest())
    record(settings, [mark], version, "bench", written=written)
    return settings


def _tokens(start: int, stop: int) -> list[str]:
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in range(start, stop)]


def _rows(random: np.random.Generator, items: pa.Array, kind: str, owners: list[str], ds: str) -> pa.Table:
    count = K * len(owners)
    first = random.integers(0, CATALOGUE, (len(owners), 1))
    # Steps that are no divisors of the catalogue's size: no item twice in a list.
    item = (first + np.arange(K) * random.choice([7, 11, 13, 17], (len(owners), 1))) % CATALOGUE
    reason = random.choice(len(REASONS), count, p=list(REASONS.values()))
    columns = {
        C.SURFACE: pa.repeat(SURFACE, count),
        C.KIND: pa.repeat(kind, count),
        C.OWNER: pa.array(owners).take(pa.array(np.repeat(np.arange(len(owners)), K))),
        C.RANK: np.tile(np.arange(1, K + 1, dtype=np.int32), len(owners)),
        C.ITEM_ID: items.take(pa.array(item.ravel())),
        C.SCORE: random.random(count),
        C.PROBABILITY: random.random(count),
        C.SOURCE: pa.repeat("co_visitation", count),
        C.REASON: pa.array(list(REASONS)).take(pa.array(reason)),
        C.REASON_ITEM: items.take(pa.array(random.integers(0, CATALOGUE, count))),
        C.BUNDLE: pa.repeat("1", count),
        C.DS: pa.repeat(ds, count),
    }
    schema = TABLES["lists"].arrow_schema()
    return pa.table({name: columns[name] for name in schema.names}, schema=schema)
