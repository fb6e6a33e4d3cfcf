"""What lists are like, whether or not they are right: how new, how varied, how evenly they use the catalogue."""

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from models.metrics import PAD, Floats, Ints
from models.snapshot import Snapshot

NEW_DAYS = 30
"""An item counts as new for this many days after it was first seen."""

_WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True, eq=False)
class ListMeter:
    """Made ready for one snapshot.

    Attributes:
        surprise: float64 `[items]`, self-information in bits: -log2 of the share of shoppers who ever touched the item;
            an item that nobody touched counts as touched by one.
        new: bool `[items]`, first seen within `NEW_DAYS`.
        alike: `category`, `title` or `co-visitation`: what two items are compared by.
        vectors: CSR `[items, terms]`, rows of length 1, or 0 where nothing is known of the item.
    """

    surprise: Floats
    new: npt.NDArray[np.bool_]
    alike: str
    vectors: sparse.csr_matrix

    @classmethod
    def of(cls, snapshot: Snapshot) -> "ListMeter":
        buyers = np.asarray(snapshot.touched.sum(axis=0)).ravel()
        surprise = -np.log2(np.maximum(buyers, 1) / max(len(snapshot.users), 1))
        with np.errstate(invalid="ignore"):
            new = snapshot.catalogue.age_days <= NEW_DAYS
        alike, vectors = _vectors(snapshot)
        return cls(surprise, new, alike, vectors)

    def novelty(self, lists: Ints) -> Floats:
        """[users] mean self-information of a list's items, bits (Zhou et al., PNAS 2010); NaN for an empty list."""
        return self._mean(lists, self.surprise)

    def new_share(self, lists: Ints) -> Floats:
        """[users] share of a list's items that are new; NaN for an empty list."""
        return self._mean(lists, self.new.astype(np.float64))

    def diversity(self, lists: Ints) -> Floats:
        """[users] mean of 1 - cosine over the pairs of a list (Ziegler et al., WWW 2005); NaN for under two items.

        By category this is the share of pairs from two categories. An item of which nothing is known is unlike any.
        """
        member = _members(lists, self.vectors.shape[0])
        own = np.asarray(self.vectors.multiply(self.vectors).sum(axis=1)).ravel()
        whole = member @ self.vectors
        alike = np.asarray(whole.multiply(whole).sum(axis=1)).ravel() - member @ own
        size = np.diff(member.indptr).astype(np.float64)
        pairs = np.where(size > 1, size * (size - 1), np.nan)
        return np.asarray(1.0 - alike / pairs, np.float64)

    def _mean(self, lists: Ints, values: Floats) -> Floats:
        member = _members(lists, len(values))
        size = np.diff(member.indptr).astype(np.float64)
        return np.asarray(member @ values / np.where(size > 0, size, np.nan), np.float64)


def gini(lists: Ints, items: int) -> float:
    """Inequality of exposure: 0 where every item of the catalogue is shown equally often, near 1 where few are.

    NaN where nothing is shown.
    """
    shown = np.sort(np.bincount(lists[lists != PAD].ravel(), minlength=items)).astype(np.float64)
    if not shown.sum():
        return float("nan")
    weight = 2 * np.arange(1, len(shown) + 1) - len(shown) - 1
    return float((weight * shown).sum() / (len(shown) * shown.sum()))


def _members(lists: Ints, items: int) -> sparse.csr_matrix:
    row, place = np.nonzero(lists != PAD)
    return sparse.csr_matrix((np.ones(len(row)), (row, lists[row, place])), shape=(len(lists), items))


def _vectors(snapshot: Snapshot) -> tuple[str, sparse.csr_matrix]:
    """What the log knows of its items: their categories, else words of their titles, else who is bought together."""
    catalogue, items = snapshot.catalogue, len(snapshot.items)
    known = np.flatnonzero(catalogue.category >= 0)
    if len(known):
        cells = (np.ones(len(known)), (known, catalogue.category[known]))
        return "category", sparse.csr_matrix(cells, shape=(items, len(catalogue.categories)))
    words = [sorted(set(_WORD.findall(title.lower()))) if title else [] for title in catalogue.title]
    number = {word: at for at, word in enumerate(sorted({word for each in words for word in each}))}
    if number:
        row = np.repeat(np.arange(items), [len(each) for each in words])
        column = np.array([number[word] for each in words for word in each])
        return "title", _unit(sparse.csr_matrix((np.ones(len(row)), (row, column)), shape=(items, len(number))))
    return "co-visitation", _unit(snapshot.co_visitation["together"].astype(np.float64))


def _unit(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return sparse.csr_matrix(sparse.diags(1.0 / np.where(length > 0, length, 1.0)) @ matrix)
