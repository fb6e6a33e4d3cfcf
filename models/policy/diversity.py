"""A list that is not all of one kind, mildly: what exceeds a category's share moves back, nothing is dropped."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.interface import Ints
from models.policy.entries import Entries


def demoted(user: Ints, category: Ints, k: int, share: float) -> NDArray[np.bool_]:
    """Entries beyond a category's share of a list of `k`.

    Args:
        user: ascending; entries of a user in their order.
        category: of each entry, -1 where unknown, which is never demoted.
        share: of `k`, rounded up.
    """
    allowed = int(np.ceil(k * share))
    return (category >= 0) & (position_in_group(user, category) >= allowed)


def position_in_group(user: Ints, group: Ints) -> NDArray[np.int64]:
    """How many entries of the same user and group come before each entry."""
    order = np.lexsort((np.arange(len(user)), group, user))
    sorted_user, sorted_group = user[order], group[order]
    new = np.ones(len(user), np.bool_)
    new[1:] = (sorted_user[1:] != sorted_user[:-1]) | (sorted_group[1:] != sorted_group[:-1])
    starts = np.flatnonzero(new)
    position = np.empty(len(user), np.int64)
    position[order] = np.arange(len(user)) - np.repeat(starts, np.diff(np.append(starts, len(user))))
    return position


def numbered(entries: Entries) -> Entries:
    """The entries with ranks from 1 in the order in which they stand for their user."""
    rank = position_in_group(entries.user, np.zeros_like(entries.user)) + 1
    return replace(entries, rank=rank.astype(np.int32))
