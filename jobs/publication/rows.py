"""Entries of lists -> rows of the table `lists`, column by column."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from lake.columns import Columns as C
from lake.tables import TABLES
from models.candidates.related import COMPLEMENT, Related
from models.interface import SOURCES, Ints, Reasons
from models.policy.segments import SegmentList
from models.policy.surface_lists import Entries
from models.snapshot import Snapshot

SOURCE_NAMES = pa.array(SOURCES)
ITEM_REASONS = {"co": "co_visitation", "similar": "content"}
"""Reason of an entry in an item's list -> the source named beside it."""


class RowWriter:
    """Builds rows of one surface, day and bundle; the order of the calls is the order of the rows."""

    def __init__(self, snapshot: Snapshot, surface: str, ds: str, bundle: str) -> None:
        self._items = pa.array(snapshot.items, pa.string())
        self._constant = {C.SURFACE: surface, C.BUNDLE: bundle, C.DS: ds}

    def users(self, owners: pa.Array, entries: Entries, reasons: Reasons) -> pa.Table:
        """Rows of shoppers' lists; `owners` are the ids that `entries.user` counts in."""
        return self._table(
            "user",
            owners.take(pa.array(entries.user)),
            entries.rank,
            entries.item,
            entries.score,
            entries.probability,
            SOURCE_NAMES.take(pa.array(entries.source)),
            pa.array(reasons.code, pa.string()),
            pa.array(reasons.value, pa.string()),
        )

    def items(self, related: Related, rank: Ints, owners: Ints) -> pa.Table:
        """Rows of items' lists, resting on the owner; `owners` are what `related.owner` counts in.

        The two are alike, or others had both together: complements always, and substitutes that are only looked at
        together.
        """
        owner = self._items.take(pa.array(owners[related.owner]))
        alike = (related.kind != COMPLEMENT) & related.alike
        codes, sources = pa.array(list(ITEM_REASONS)), pa.array(list(ITEM_REASONS.values()))
        at = pa.array(alike.astype(np.int8))
        return self._table(
            "item", owner, rank, related.item, related.score, None, sources.take(at), codes.take(at), owner
        )

    def segments(self, lists: Sequence[SegmentList]) -> pa.Table:
        """Rows of the fallback lists, in the order given."""
        sizes = [len(each.items) for each in lists]
        owner = pa.array(np.repeat(np.array([each.name for each in lists], dtype=object), sizes), pa.string())
        rank = np.concatenate([np.arange(1, size + 1, dtype=np.int32) for size in sizes])
        item = np.concatenate([each.items for each in lists])
        score = np.concatenate([each.score for each in lists])
        popular = pa.repeat("popular", len(rank))
        return self._table("segment", owner, rank, item, score, None, popular, popular, owner)

    def _table(
        self,
        kind: str,
        owner: Any,
        rank: Ints,
        item: Ints,
        score: Any,
        probability: Any,
        source: Any,
        reason: Any,
        value: Any,
    ) -> pa.Table:
        known = pa.nulls(len(rank), pa.float64()) if probability is None else pa.array(probability, from_pandas=True)
        columns = {
            C.KIND: pa.repeat(kind, len(rank)),
            C.OWNER: owner,
            C.RANK: pa.array(rank, pa.int32()),
            C.ITEM_ID: self._items.take(pa.array(item)),
            C.SCORE: pa.array(score, pa.float64()),
            C.PROBABILITY: known.cast(pa.float64()),
            C.SOURCE: source,
            C.REASON: reason,
            C.REASON_ITEM: value,
        } | {name: pa.repeat(text, len(rank)) for name, text in self._constant.items()}
        schema = TABLES["lists"].arrow_schema()
        return pa.table({name: columns[name] for name in schema.names}, schema=schema)
