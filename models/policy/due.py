"""Time to buy again: what a shopper keeps buying and whose usual gap has nearly passed."""

import numpy as np

from lake.columns import EVENT_TYPES
from models.policy.pairs import Pairs
from models.policy.repeats import usual_gap
from models.snapshot import Events


def due(events: Events, items: int, times: int, opens: float, closes: float) -> Pairs:
    """Pairs whose last purchase lies between two shares of their usual gap back.

    The usual gap is the mean of the shopper's own gaps and, counting as one more, the item's: two purchases say little
    of a rhythm, ten say enough.

    Args:
        times: days on which the shopper must have bought the item.
        opens, closes: shares of the gap; outside them the shopper has enough of it, or has stopped buying it.
    """
    bought = (events.kind == EVENT_TYPES.index("purchase")) & (events.user >= 0)
    key = events.user[bought].astype(np.int64) * items + events.item[bought]
    visit = np.unique(np.stack([key, np.floor(events.age_days[bought]).astype(np.int64)]), axis=1)
    pair, start, visits = np.unique(visit[0], return_index=True, return_counts=True)
    last, first = visit[1][start], visit[1][start + visits - 1]
    item = (pair % max(items, 1)).astype(np.int32)
    gap = ((first - last) + usual_gap(events, items)[item]) / visits
    shown = (visits >= times) & (last >= opens * gap) & (last <= closes * gap)
    return Pairs(pair[shown], items)
