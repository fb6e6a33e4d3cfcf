"""Everything the models may know as of a day, as arrays.

A snapshot is read once from the lake with `deltalake`, cut by both clocks, and is all that training, scoring and
judging see. Vocabularies are sorted, and events are sorted by content, so the order of rows changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lake.partitions import Read
from lake.settings import Settings
from models.interface import Floats, Ints

RELATIONS = ("together", "bought", "next")


@dataclass(frozen=True)
class Events:
    """The log as of the day: anonymous events first, then sorted by user, time and content.

    Attributes:
        user: int32, -1 = anonymous.
        item: int32.
        kind: int8, position in `EVENT_TYPES`.
        age_days: float32, from the event to the end of the as-of day, days.
        value: float32, NaN where not a rating.
        quantity: float32, NaN where unknown.
        price: float32, NaN where unknown.
        session: int32, -1 where unknown.
    """

    user: Ints
    item: Ints
    kind: NDArray[np.int8]
    age_days: Floats
    value: Floats
    quantity: Floats
    price: Floats
    session: Ints

    def __len__(self) -> int:
        return len(self.user)


@dataclass(frozen=True)
class Catalogue:
    """What the shop says about its items, `[items]` each; code -1, NaN or None where unknown."""

    title: NDArray[np.object_]
    category: Ints
    categories: tuple[str, ...]
    brand: Ints
    brands: tuple[str, ...]
    price: Floats
    margin: Floats
    in_stock: NDArray[np.bool_]
    age_days: Floats


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What is known as of a day.

    Attributes:
        users: known users with an event in the look-back, ascending.
        items: the catalogue and whatever else was touched, ascending.
        user_ptr: int64 `[users + 1]`; events of user u are `user_ptr[u]:user_ptr[u + 1]`.
        item_features: numeric columns of `item_features`, float32 `[items]`, NaN where unknown.
        user_features: numeric columns of `user_features`, float32 `[users]`, NaN where unknown.
        category_affinity, brand_affinity: float32 CSR `[users, categories]`, `[users, brands]`.
        country, device: codes into `countries`, `devices`, -1 where unknown.
        co_visitation: relation -> float32 CSR `[items, items]`, row = item, column = partner.
        positive_from: the rating from which one means liking; None where the log has no ratings.
        versions: table -> Delta version read.
        partitions: table -> `ds` of the partition read.
    """

    as_of: date
    users: NDArray[np.object_]
    items: NDArray[np.object_]
    events: Events
    user_ptr: NDArray[np.int64]
    catalogue: Catalogue
    item_features: dict[str, Floats]
    user_features: dict[str, Floats]
    category_affinity: sparse.csr_matrix
    brand_affinity: sparse.csr_matrix
    country: Ints
    countries: tuple[str, ...]
    device: Ints
    devices: tuple[str, ...]
    co_visitation: dict[str, sparse.csr_matrix]
    positive_from: float | None
    versions: dict[str, int]
    partitions: dict[str, str]

    @classmethod
    def load(cls, settings: Settings, as_of: date, *, exact: bool = False) -> "Snapshot":
        """Read the lake as of a day.

        Args:
            exact: refuse features of an earlier day; training wants this, so that its examples are as at scoring time.

        Raises:
            BadInput: there are no features as of the day (or, unless `exact`, before it).
        """
        from models.snapshot_reader import load

        return load(settings, as_of, exact=exact)

    @property
    def read(self) -> Read:
        """What was read, for `lake.partitions.record`: of the features one day, of the events all of them."""
        days = {name: {"ds": of} for name, of in self.partitions.items()}
        return {name: {"version": version, **days.get(name, {})} for name, version in self.versions.items()}

    @cached_property
    def user_index(self) -> dict[str, int]:
        return {user: row for row, user in enumerate(self.users)}

    @cached_property
    def item_index(self) -> dict[str, int]:
        return {item: row for row, item in enumerate(self.items)}

    def rows_of(self, users: Sequence[str]) -> Ints:
        """int32 rows of users, -1 for those the snapshot does not know."""
        return np.fromiter((self.user_index.get(user, -1) for user in users), np.int32, len(users))

    def items_of(self, items: Sequence[str]) -> Ints:
        """int32 indices of items, -1 for those the snapshot does not know."""
        return np.fromiter((self.item_index.get(item, -1) for item in items), np.int32, len(items))

    @cached_property
    def days_of_history(self) -> int:
        """Days from the first event to the as-of day."""
        return int(np.ceil(self.events.age_days.max())) if len(self.events) else 0

    @cached_property
    def touched(self) -> sparse.csr_matrix:
        """Boolean CSR `[users, items]`: whether the user ever touched the item within the look-back."""
        known = self.events.user >= 0
        shape = (len(self.users), len(self.items))
        pairs = (self.events.user[known], self.events.item[known])
        matrix = sparse.csr_matrix((np.ones(int(known.sum()), np.float32), pairs), shape=shape)
        matrix.data[:] = 1.0
        return matrix

    def update(self, digest: Any) -> None:
        """Feed the content into a hash: whatever scores and examples depend on, not versions of the lake."""
        log, catalogue = self.events, self.catalogue
        for names in (self.users, self.items, catalogue.title, catalogue.categories, catalogue.brands, self.countries):
            digest.update("\0".join(map(str, names)).encode())
        numbers = [*vars(log).values(), catalogue.category, catalogue.brand, catalogue.price, catalogue.age_days]
        numbers += [catalogue.in_stock, self.country, self.device]
        numbers += [values for table in (self.item_features, self.user_features) for _, values in sorted(table.items())]
        matrices = [*(self.co_visitation[name] for name in RELATIONS), self.category_affinity, self.brand_affinity]
        numbers += [part for matrix in matrices for part in (matrix.indptr, matrix.indices, matrix.data)]
        for values in numbers:
            digest.update(np.ascontiguousarray(values).data)
        digest.update(f"{self.as_of} {self.positive_from}".encode())
