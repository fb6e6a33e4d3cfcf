"""For whom lists are: what a rule may ask about the shopper, or about the segment, behind each list."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.interface import Ints
from models.snapshot import Snapshot


@dataclass(frozen=True)
class Audience:
    """One entry a list.

    Attributes:
        row: int32, the snapshot's row of the shopper; -1 for one it does not know and for segments.
        country, device: int32 codes of the snapshot, -1 where unknown.
        new: bool, fewer events than the surface asks of a returning shopper; whoever falls back on a segment is new.
    """

    row: Ints
    country: Ints
    device: Ints
    new: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.row)

    @classmethod
    def of_shoppers(cls, snapshot: Snapshot, rows: Ints, below_events: int) -> "Audience":
        """Shoppers by their row; new is who has fewer than `below_events` events within the look-back."""
        events = np.append(np.diff(snapshot.user_ptr), 0)
        country, device = np.append(snapshot.country, -1), np.append(snapshot.device, -1)
        return cls(rows, country[rows].astype(np.int32), device[rows].astype(np.int32), events[rows] < below_events)

    @classmethod
    def of_segments(cls, snapshot: Snapshot, names: Sequence[str]) -> "Audience":
        """Segments by their name: `all`, `country=GB`, `device=mobile`."""
        codes = {f"country={name}": code for code, name in enumerate(snapshot.countries)}
        country = np.array([codes.get(name, -1) for name in names], np.int32)
        codes = {f"device={name}": code for code, name in enumerate(snapshot.devices)}
        device = np.array([codes.get(name, -1) for name in names], np.int32)
        return cls(np.full(len(names), -1, np.int32), country, device, np.ones(len(names), np.bool_))
