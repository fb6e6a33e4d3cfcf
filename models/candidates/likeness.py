"""How much items are alike: by what the catalogue says of them, and by their vectors."""

import re

import numpy as np
from scipy import sparse

from models.interface import Floats, Ints
from models.snapshot import Snapshot

PRICE, BRAND, VECTOR = 0.5, 0.25, 0.25
"""Weights of price, brand and the two-tower's vectors beside the kind of item, which weighs 1.

Told apart by the demo shop's planted substitutes, see docs/item_lists.md.
"""
_WORDS = re.compile(r"[^\W_]{2,}")


class Likeness:
    """Likeness of items, made ready for a snapshot.

    The kind of an item is its category; where either of two items has none, their titles decide (cosine of TF-IDF).

    Args:
        vectors: unit vectors of the items, float32 `[items, dim]`, where a model gives them.

    Attributes:
        known: bool `[items]`, whether there is a category or a title to go by.
    """

    def __init__(self, snapshot: Snapshot, vectors: Floats | None) -> None:
        catalogue = snapshot.catalogue
        self._category, self._brand = catalogue.category, catalogue.brand
        with np.errstate(divide="ignore", invalid="ignore"):
            price = np.log(catalogue.price)
        self._price = np.where(np.isfinite(price), price, np.nan).astype(np.float32)
        self._titles = title_vectors(list(catalogue.title))
        self._vectors = vectors
        self.known = (catalogue.category >= 0) | (np.diff(self._titles.indptr) > 0)

    def kind(self, owners: Ints) -> Floats:
        """Whether some owners and all items are of one kind, 0 to 1, float32 `[owners, items]`."""
        titles = np.asarray((self._titles[owners] @ self._titles.T).toarray(), np.float32)
        both = (self._category[owners] >= 0)[:, None] & (self._category >= 0)
        same = self._category[owners][:, None] == self._category
        return np.where(both, same, np.minimum(titles, 1.0)).astype(np.float32)

    def vectors(self, owners: Ints) -> Floats:
        """Cosine of the vectors, at least 0; zero without a model, float32 `[owners, items]`."""
        if self._vectors is None:
            return np.zeros((len(owners), len(self._category)), np.float32)
        return np.maximum(self._vectors[owners] @ self._vectors.T, 0.0)

    def nearness(self, owners: Ints) -> Floats:
        """What price, brand and vectors add to the kind, at most 1, float32 `[owners, items]`."""
        apart = np.abs(self._price[owners][:, None] - self._price)
        price = np.nan_to_num(np.exp(-apart), nan=0.0)
        brand = (self._brand[owners][:, None] == self._brand) & (self._brand >= 0)
        return (PRICE * price + BRAND * brand + VECTOR * self.vectors(owners)).astype(np.float32)


def title_vectors(titles: list[str | None]) -> sparse.csr_matrix:
    """TF-IDF of titles, rows of length one (zero where there is no title), float32 CSR `[titles, words]`."""
    number: dict[str, int] = {}
    row, column = [], []
    for at, title in enumerate(titles):
        for word in dict.fromkeys(_WORDS.findall(title.lower())) if title else ():
            row.append(at)
            column.append(number.setdefault(word, len(number)))
    held = sparse.csr_matrix((np.ones(len(row), np.float32), (row, column)), shape=(len(titles), max(len(number), 1)))
    rarity = np.log((1 + len(titles)) / (1 + np.asarray(held.sum(axis=0)).ravel()))
    weighted = held @ sparse.diags(rarity.astype(np.float32))
    length = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    return (sparse.diags((1.0 / np.maximum(length, 1e-9)).astype(np.float32)) @ weighted).tocsr()
