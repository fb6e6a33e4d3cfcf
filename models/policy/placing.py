"""Fixed places in lists: given entries at given ranks, everything else in its order around them."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.interface import Ints
from models.policy.diversity import numbered, position_in_group
from models.policy.entries import Entries


def place(lists: Entries, fixed: Entries, items: int) -> Entries:
    """The lists with some entries at fixed ranks; nothing is cut off.

    Args:
        lists: each user's entries in order.
        fixed: sorted by user and wanted rank, no item twice for a user. Where two want one rank, the first has it and
            the others come right behind. An item that the list has elsewhere moves.
        items: size of the vocabulary.

    Returns:
        Entries sorted by user, then rank. A list too short for a rank has the entry at its end.
    """
    if not len(fixed):
        return lists
    moved = np.isin(_keys(lists, items), _keys(fixed, items))
    rest = lists.take(~moved)
    number = position_in_group(fixed.user, np.zeros_like(fixed.user)) + 1
    at = _resolved(fixed.user, fixed.rank, number)
    both = fixed.then(rest)
    is_fixed = np.concatenate([np.ones(len(fixed), np.bool_), np.zeros(len(rest), np.bool_)])
    is_fixed = is_fixed[np.argsort(np.concatenate([fixed.user, rest.user]), kind="stable")]
    key = np.empty(len(both), np.float64)
    # A fixed entry at rank p, the n-th of its kind, has p - n others before it.
    key[is_fixed] = at - number + 0.5
    key[~is_fixed] = position_in_group(rest.user, np.zeros_like(rest.user)) + 1
    both = both.take(np.lexsort((np.arange(len(both)), key, both.user)))
    return numbered(both)


def as_found(wanted: Entries, candidates: Entries, items: int) -> Entries:
    """Entries to be placed, each with what is known of the candidate that it is, where it is one."""
    if not len(candidates) or not len(wanted):
        return wanted
    keys = _keys(candidates, items)
    order = np.argsort(keys, kind="stable")
    asked = _keys(wanted, items)
    at = order[np.minimum(np.searchsorted(keys[order], asked), len(keys) - 1)]
    found = keys[at] == asked
    return replace(
        wanted,
        score=np.where(found, candidates.score[at], wanted.score),
        source=np.where(found, candidates.source[at], wanted.source),
        filled=np.where(found, candidates.filled[at], wanted.filled),
        probability=np.where(found, candidates.probability[at], wanted.probability),
    )


def _keys(entries: Entries, items: int) -> NDArray[np.int64]:
    return entries.user.astype(np.int64) * items + entries.item


def _resolved(user: Ints, rank: Ints, number: NDArray[np.int64]) -> NDArray[np.int64]:
    """Ranks without a clash: the wanted one, or the place behind the entry before it."""
    # max(rank[n], at[n - 1] + 1) over a user is a running maximum of rank - number; users are kept apart by an offset.
    slack = rank.astype(np.int64) - number
    apart = user.astype(np.int64) * (int(slack.max()) + 1)
    return np.maximum.accumulate(slack + apart) - apart + number
