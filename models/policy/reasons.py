"""Why each entry of a list is there: told by the source that ranked it highest, and held to the shopper's log."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lake.columns import EVENT_TYPES
from models.bundle import Bundle
from models.candidates.new_items import NEW_DAYS
from models.interface import SOURCES, Ints, Ranked, Reasons
from models.policy.entries import Entries
from models.policy.pairs import Pairs
from models.snapshot import Snapshot
from storefront.contract import EVERYBODY, segment

NEW_ITEMS = SOURCES.index("new_items")
NOTHING: NDArray[np.object_] = np.array(None, dtype=object)


class Explainer:
    """Tells reasons by one bundle and snapshot; immutable."""

    def __init__(self, bundle: Bundle, snapshot: Snapshot) -> None:
        log, catalogue, items = snapshot.events, snapshot.catalogue, len(snapshot.items)
        self._bundle, self._snapshot = bundle, snapshot
        purchase = log.kind == EVENT_TYPES.index("purchase")
        self._bought = Pairs.of(log.user[purchase], log.item[purchase], items)
        self._touched = np.bincount(log.item, minlength=items) > 0
        limit = min(NEW_DAYS, snapshot.days_of_history / 2)
        self._fresh = np.nan_to_num(catalogue.age_days, nan=np.inf) <= limit
        self._histories = snapshot.touched.T.tocsr()
        self._meets = sum(snapshot.co_visitation.values(), sparse.csr_matrix((items, items), dtype=np.float32)).tocsr()
        country = np.append(snapshot.country, np.int32(-1))  # the last answers for anonymous events, user -1
        self._touched_in = Pairs.of(country[log.user], log.item, items)
        self._country = {segment("country", name): code for code, name in enumerate(snapshot.countries) if name}
        liked = snapshot.category_affinity.tocoo()
        some = liked.data > 0
        self._liked = Pairs.of(liked.row[some], liked.col[some], liked.shape[1])
        self._categories = np.array([*catalogue.categories, None], dtype=object)

    def of(self, users: Sequence[str], entries: Entries) -> Reasons:
        """A code of `storefront.contract` and the item or value it rests on, for each entry.

        An entry that filled up a list, or was placed in it, is `new` where it is and nobody met it yet or it stands
        there to be tried, else `popular`, or merely `listed` where nobody has touched it.
        """
        item, rows = entries.item, self._snapshot.rows_of(users)[entries.user]
        code, value = np.full(len(entries), "", dtype=object), np.full(len(entries), None, dtype=object)
        found, filled = np.flatnonzero(~entries.filled), np.flatnonzero(entries.filled)
        no_ranks = np.zeros((len(found), len(SOURCES)), np.int16)
        chance = entries.probability[found]
        ranked = Ranked(entries.user[found], item[found], entries.score[found], entries.source[found], no_ranks, chance)
        told = self._bundle.explain(self._snapshot, users, ranked)
        # "Like itself" says nothing: the nearest item of the shopper's history is the item, so it was seen or bought.
        itself = told.value == self._snapshot.items[item[found]].astype(object)
        code[found], value[found] = np.where(itself, "bought", told.code), told.value
        touched, fresh = self._touched[item[filled]], self._fresh[item[filled]]
        tried = fresh & (~touched | (entries.source[filled] == NEW_ITEMS))
        code[filled] = np.where(tried, "new", np.where(touched, "popular", "listed"))
        value[filled] = np.where(code[filled] == "popular", EVERYBODY, NOTHING)
        return Reasons(*self._held(code, value, rows, item))

    def _held(
        self, code: NDArray[np.object_], value: NDArray[np.object_], rows: Ints, item: Ints
    ) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
        """Reasons held to the log: what was only looked at was not bought, tastes and countries are those of it."""
        only_seen = (code == "bought") & ~self._bought.has(rows, item)
        code[only_seen], value[only_seen] = "seen", None
        resting = np.flatnonzero((code == "co") | (code == "similar"))
        groundless = resting[value[resting] == NOTHING]
        code[groundless] = np.where(self._touched[item[groundless]], "popular", "listed")
        value[groundless] = np.where(self._touched[item[groundless]], EVERYBODY, NOTHING)
        together = np.flatnonzero(code == "co")
        had = self._snapshot.items_of(value[together].tolist())
        code[together[~self._together(had, item[together])]] = "similar"
        new = np.flatnonzero(code == "new")
        category = self._snapshot.catalogue.category[item[new]]
        liked = self._liked.has(rows[new], category) & (category >= 0)
        value[new] = np.where(liked, self._categories[category], NOTHING)
        for name in {told for told in value[code == "popular"] if told in self._country}:
            mine = np.flatnonzero((code == "popular") & (value == name))
            there = np.full(len(mine), self._country[name], np.int32)
            value[mine[~self._touched_in.has(there, item[mine])]] = EVERYBODY
        return code, value

    def _together(self, one: Ints, other: Ints) -> NDArray[np.bool_]:
        """Whether each pair meets in a basket, a session or a week, or some shopper had both."""
        if not len(one):
            return np.zeros(0, np.bool_)
        met = np.asarray(self._meets[one, other]).ravel() > 0
        pairs, at = np.unique(np.stack([one[~met], other[~met]]), axis=1, return_inverse=True)
        both = self._histories[pairs[0]].multiply(self._histories[pairs[1]]).sum(axis=1)
        met[~met] = (np.asarray(both).ravel() > 0)[at.ravel()]
        return met
