"""Why each entry of a list is there: told by the source that ranked it highest, and true of the shopper's log."""

from collections.abc import Sequence

import numpy as np

from models.bundle import Bundle
from models.interface import SOURCES, Ranked, Reasons
from models.policy.surface_lists import Entries, SurfacePolicy
from models.snapshot import Snapshot
from storefront.contract import EVERYBODY


def explain(
    bundle: Bundle, snapshot: Snapshot, users: Sequence[str], entries: Entries, policy: SurfacePolicy
) -> Reasons:
    """A code of `storefront.contract` and the item or value it rests on, for each entry.

    An entry that filled up a list is `popular` with everybody, or `new` where nobody has touched it yet.
    """
    code, value = np.full(len(entries), "", dtype=object), np.full(len(entries), None, dtype=object)
    found = np.flatnonzero(~entries.filled)
    no_ranks = np.zeros((len(found), len(SOURCES)), np.int16)
    ranked = Ranked(entries.user[found], entries.item[found], entries.score[found], entries.source[found], no_ranks)
    told = bundle.explain(snapshot, users, ranked)
    # "Like itself" says nothing: the nearest item of the shopper's history is the item, so it was seen or bought.
    itself = told.value == snapshot.items[entries.item[found]].astype(object)
    code[found], value[found] = np.where(itself, "bought", told.code), told.value
    filled = np.flatnonzero(entries.filled)
    touched = policy.touched[entries.item[filled]]
    categories = np.array([*snapshot.catalogue.categories, None], dtype=object)
    code[filled] = np.where(touched, "popular", "new")
    value[filled] = np.where(touched, EVERYBODY, categories[snapshot.catalogue.category[entries.item[filled]]])
    return Reasons(code, value)
