"""Partners of an item for its product page: what is bought or seen with it, then what is like it."""

import numpy as np

from models.candidates.co_visitation import CoVisitation, CoVisitationScorer
from models.candidates.two_tower_source import TwoTowerScorer
from models.candidates.union import Union, top
from models.interface import SOURCES, Ints, Related

TOGETHER = 1.0
ALIKE = 0.3
"""Weights of the two views; co-visitation leads wherever it says anything, similarity fills up."""
BATCH = 512


def related(union: Union, items: Ints, k: int) -> Related:
    """See `Bundle.related`. An item that the snapshot does not know (-1) gets no partners."""
    # A bundle without trained models proposes no partners to shoppers, but its product pages have them.
    walked = union.scorers.get("co_visitation") or CoVisitation(union.config.event_weights).prepare(union.snapshot)
    towers = union.scorers.get("two_tower")
    size = len(union.snapshot.items)
    owners, partners, scores, sources = [], [], [], []
    for start in range(0, len(items) if size else 0, BATCH):
        batch = items[start : start + BATCH]
        known = np.flatnonzero(batch >= 0)
        mine = batch[known]
        together = np.zeros((len(mine), size), np.float32)
        if isinstance(walked, CoVisitationScorer):
            together = np.asarray(walked.all[mine].toarray(), np.float32)
            together = TOGETHER * together / np.maximum(together.max(axis=1, keepdims=True), 1e-9)
        alike = np.zeros_like(together)
        if isinstance(towers, TwoTowerScorer):
            alike = ALIKE * np.maximum(towers.items[mine] @ towers.items.T, 0.0)
        total = together + alike
        total[np.arange(len(mine)), mine] = 0.0
        total[:, ~union.snapshot.catalogue.in_stock] = 0.0
        total[total <= 0] = -np.inf
        best, valid = top(total, k)
        row, place = np.nonzero(valid)
        chosen = best[row, place]
        owners.append(known[row] + start)
        partners.append(chosen)
        scores.append(total[row, chosen])
        by_visit = together[row, chosen] >= alike[row, chosen]
        sources.append(np.where(by_visit, SOURCES.index("co_visitation"), SOURCES.index("two_tower")))
    if not owners:
        empty = np.zeros(0, np.int32)
        return Related(empty, empty, np.zeros(0, np.float32), np.zeros(0, np.int8))
    return Related(
        np.concatenate(owners).astype(np.int32),
        np.concatenate(partners).astype(np.int32),
        np.concatenate(scores).astype(np.float32),
        np.concatenate(sources).astype(np.int8),
    )
