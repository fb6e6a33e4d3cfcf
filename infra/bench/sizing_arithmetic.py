"""Bytes that follow from how data are laid out: no measurement, and no room for what an allocator adds."""

from dataclasses import dataclass

from models.ranking.features import ITEM_COUNTS, USER_COUNTS
from models.snapshot import RELATIONS

DIM = 64
EVENT_BYTES = 4 + 4 + 1 + 4 + 4 + 4 + 4 + 4
"""user, item, kind, age, value, quantity, price, session: the arrays of `models.snapshot.Events`."""
ID_BYTES, ENTRY_BYTES = 113 + 8, 104
"""A pseudonym of 64 digits as Python text with its pointer; an entry of the index from ids to rows."""
AFFINITIES, PARTNERS, PAIR_BYTES = 10, 100, 8
"""Categories and brands of a shopper, partners of an item in each relation; a CSR entry is a float32 and an int32."""
COPIES = 4
"""Weights, Adam's two moments, and the gradient, which is as large as the table."""
GPUS = {"A10G, 24 GB": 24e9, "L40S, 48 GB": 48e9, "H100, 80 GB": 80e9}
HEADROOM = 0.8
"""Share of a GPU's memory for tables; the rest is for a step's activations and the allocator."""


@dataclass(frozen=True)
class Scale:
    """The shop that is asked about; `events` are those of a shopper within the look-back."""

    shoppers: int
    items: int
    surfaces: int = 2
    events: int = 25

    @property
    def look_back_events(self) -> int:
        return self.shoppers * self.events


def snapshot_bytes(scale: Scale) -> int:
    """A `models.snapshot.Snapshot`, its indices and sparse matrices."""
    shopper = ID_BYTES + ENTRY_BYTES + 4 * len(USER_COUNTS) + 2 * AFFINITIES * PAIR_BYTES + 8 + 8
    partners = len(RELATIONS) * PARTNERS * PAIR_BYTES
    item = ID_BYTES + ENTRY_BYTES + 4 * len(ITEM_COUNTS) + partners + 32
    return scale.look_back_events * EVENT_BYTES + scale.shoppers * shopper + scale.items * item


def index_bytes(items: int, dim: int = DIM) -> int:
    """Vectors and ids of an inverted file."""
    return items * (dim * 4 + 8)


def tower_bytes(items: int, users: int = 0, dim: int = DIM) -> int:
    """The two-tower's tables on one GPU: items by id, and hashed shoppers where `user_buckets` asks for them.

    Tables of content and context have a fixed size of a few MB.
    """
    return (items * dim + users * 8) * 4 * COPIES


def most_items(memory: float, dim: int = DIM) -> int:
    """Items whose tables still fit a GPU of so many bytes, each replica holding all of them."""
    return int(memory * HEADROOM // (dim * 4 * COPIES))


def gpu_table(dims: tuple[int, ...] = (64, 128)) -> str:
    """Markdown: where tables leave one GPU."""
    head = "| GPU | " + " | ".join(f"items at {dim} dimensions" for dim in dims) + " |\n|---|" + "---|" * len(dims)
    lines = [
        f"| {name} | " + " | ".join(f"{most_items(memory, dim) / 1e6:.0f} million" for dim in dims) + " |"
        for name, memory in GPUS.items()
    ]
    return "\n".join([head, *lines])


if __name__ == "__main__":
    print(gpu_table())
