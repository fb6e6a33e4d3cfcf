"""What is known of an item without a single sale, as integers: the same for training and scoring of the two-tower."""

import re
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.interface import Ints
from models.snapshot import Snapshot

TITLE_TOKENS = 8
CATEGORY_BUCKETS = 512
PRICE_BANDS = 11
"""Deciles of price, and a band for an unknown price."""
_WORDS = re.compile(r"[^\W_]{2,}")


@dataclass(frozen=True)
class Content:
    """Content of items, `[items]` each; 0 stands for unknown.

    Attributes:
        category: int32, bucket of the hashed category.
        brand: int32, bucket of the hashed brand.
        band: int32, price decile + 1.
        tokens: int32 `[items, TITLE_TOKENS]`, buckets of hashed title words, 0 = padding.
    """

    category: Ints
    brand: Ints
    band: Ints
    tokens: Ints

    @classmethod
    def of(cls, snapshot: Snapshot, title_buckets: int) -> "Content":
        catalogue = snapshot.catalogue
        categories = [bucket(name, CATEGORY_BUCKETS) for name in catalogue.categories]
        brands = [bucket(name, CATEGORY_BUCKETS) for name in catalogue.brands]
        band = snapshot.item_features.get("price_band", np.full(len(snapshot.items), np.nan, np.float32))
        tokens = np.zeros((len(snapshot.items), TITLE_TOKENS), np.int32)
        for row, title in enumerate(catalogue.title):
            words = dict.fromkeys(_WORDS.findall(title.lower())) if title else ()
            for column, word in enumerate(list(words)[:TITLE_TOKENS]):
                tokens[row, column] = bucket(word, title_buckets)
        return cls(
            category=_take(categories, catalogue.category),
            brand=_take(brands, catalogue.brand),
            band=(np.nan_to_num(band, nan=-1.0) + 1).astype(np.int32),
            tokens=tokens,
        )


def bucket(text: str, buckets: int) -> int:
    """A bucket from 1 to `buckets - 1`; the same on every machine, unlike Python's `hash`."""
    return 1 + zlib.crc32(text.encode()) % (buckets - 1)


def _take(buckets: list[int], codes: NDArray[np.int32]) -> Ints:
    return np.array([*buckets, 0], np.int32)[codes]
