"""Only what can be bought."""

import numpy as np
from numpy.typing import NDArray

from models.interface import Ints


def in_stock(item: Ints, stock: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which entries may be shown. `stock` is `[items]`; unknown stock counts as in stock (see the table `items`)."""
    return stock[item]
