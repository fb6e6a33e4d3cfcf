"""The methods that a shop's analyst would try in an afternoon, each a function of a log and a few numbers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from models.candidates.ials import factorise
from models.candidates.linear import ease
from models.interactions import Interactions
from models.interface import Floats, Ints

Parameters = Mapping[str, float]
Scores = Callable[[Ints], Floats]
"""Rows of known shoppers -> float32 `[rows, items]`, higher is better; anything about zero says nothing."""

SEED = 20
"""Of the factors' start: a baseline's lists are the same each time."""


@dataclass(frozen=True)
class Family:
    """One method and the grid that its numbers are chosen from.

    Attributes:
        grid: what is tried; the first is taken where there is nothing to tune on.
        most_items: a larger catalogue is refused, since cost or memory would grow with its square or cube.
    """

    name: str
    fit: Callable[[Interactions, Parameters], Scores]
    grid: tuple[Parameters, ...]
    most_items: int | None = None


def _item_knn(log: Interactions, parameters: Parameters) -> Scores:
    """Cosine of items over shoppers, each item's nearest neighbours only (Sarwar et al., WWW 2001)."""
    from implicit.nearest_neighbours import ItemItemRecommender, normalize

    had = log.taste(parameters["half_life"])
    # An item is its own nearest neighbour, hence one more.
    model = ItemItemRecommender(K=int(parameters["neighbours"]) + 1, num_threads=1)
    model.fit(normalize(had.T).T.tocsr(), show_progress=False)
    near = model.similarity.astype(np.float32)
    near.setdiag(0.0)
    return lambda rows: np.asarray((had[rows] @ near).toarray(), np.float32)


def _ease(log: Interactions, parameters: Parameters) -> Scores:
    """EASE; its regularisation is told in units of the Gram matrix's mean diagonal, so that it fits any shop."""
    had = log.taste(parameters["half_life"])
    usual = float(had.multiply(had).sum()) / max(log.items, 1)
    weights = ease(had, max(parameters["regularisation"] * usual, 1e-3))
    return lambda rows: np.asarray(had[rows] @ weights, np.float32)


def _ials(log: Interactions, parameters: Parameters) -> Scores:
    """Implicit-feedback factors; decayed histories are the confidence."""
    shoppers, items = factorise(
        log.taste(parameters["half_life"]),
        factors=int(parameters["factors"]),
        regularisation=parameters["regularisation"],
        alpha=parameters["alpha"],
        iterations=12,
        seed=SEED,
    )
    return lambda rows: shoppers[rows] @ items.T


FAMILIES = (
    Family(
        "item-kNN",
        _item_knn,
        tuple({"half_life": half, "neighbours": near} for half in (90, 30, 365) for near in (50, 500)),
    ),
    Family(
        "EASE",
        _ease,
        (
            {"half_life": 90, "regularisation": 10},
            {"half_life": 90, "regularisation": 3},
            {"half_life": 90, "regularisation": 30},
            {"half_life": 90, "regularisation": 100},
            {"half_life": 30, "regularisation": 10},
            {"half_life": 365, "regularisation": 10},
        ),
        most_items=6_000,
    ),
    Family(
        "iALS",
        _ials,
        (
            {"half_life": 90, "factors": 64, "regularisation": 0.1, "alpha": 5},
            {"half_life": 30, "factors": 64, "regularisation": 0.1, "alpha": 5},
            {"half_life": 30, "factors": 32, "regularisation": 0.1, "alpha": 5},
            {"half_life": 30, "factors": 64, "regularisation": 10, "alpha": 20},
            {"half_life": 90, "factors": 128, "regularisation": 0.1, "alpha": 5},
        ),
    ),
)
