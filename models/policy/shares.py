"""Shares of a list: at least so many entries of a kind, in every beginning of it, with the order kept otherwise.

The same as the ranked group fairness of FA*IR (Zehlike et al., CIKM 2017) with the share itself as the bound.
"""

import numpy as np
from numpy.typing import NDArray

from models.interface import Ints
from models.policy.diversity import position_in_group


def head(shares: NDArray[np.float64], of_sales: float) -> NDArray[np.bool_]:
    """The fewest items that make a share of what is sold, bool `[items]`; none where nothing is sold.

    Args:
        shares: `[items]`, adding up to one.
    """
    order = np.argsort(-shares, kind="stable")
    before = np.cumsum(np.append(0.0, shares[order]))[:-1]
    mask = np.zeros(len(shares), np.bool_)
    mask[order] = (before < of_sales) & (shares[order] > 0)
    return mask


def at_least(user: Ints, wanted: NDArray[np.bool_], share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sort keys within a user that put at least `floor(n * share)` wanted entries among each first n.

    What is wanted keeps its order, and so does the rest; where the wanted run out, the rest follows.

    Args:
        user: ascending; entries of a user in their order.
        wanted: of each entry.
        share: of each entry's user, below 1.

    Returns:
        For the n-th wanted entry of a user n; for another one the number of wanted ones before it, and a half.
    """
    place = position_in_group(user, wanted.astype(np.int32)) + 1
    natural = position_in_group(user, np.zeros_like(user)) + 1 - place
    # The n-th of the others stands at the first place at which n of them are allowed, or later. The tiny term keeps
    # 1 / (1 - 0.9), a little more than 10 as a float, from being taken for 11.
    earliest = np.floor((place - 1) / (1 - share) + 1e-9).astype(np.int64) + 1
    return np.where(wanted, place, np.maximum(natural, earliest - place) + 0.5)
