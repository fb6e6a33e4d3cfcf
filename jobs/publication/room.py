"""Whether Redis can hold the lists, asked before anything is written."""

from typing import Any

from jobs.publication.partition import Size
from lake.errors import BadInput, Unavailable

LIST_BYTES = 180
"""Key, dict entry, object, quicklist, node and listpack header of a list in Redis 7 (jemalloc), without its texts."""

STRING_BYTES = 90
ENTRY_BYTES = 2
"""Header and back-length of a listpack entry under 64 bytes; integers take less, so text length bounds them."""

MARGIN = 1.15
"""For allocator classes and the growth of the dictionary."""

KEY_PREFIX = len("recs:home:20261123T021500Z-3fa2c1:u:") + 10


def bytes_needed(size: Size) -> int:
    """Upper estimate of what a version takes in Redis, bytes."""
    lists = sum(size.lists.values())
    keys = (lists + size.lists["user"]) * KEY_PREFIX + 2 * size.owner_bytes
    content = size.item_bytes + size.rows * ENTRY_BYTES
    why = size.reason_bytes + 2 * size.rows
    return int(MARGIN * (keys + lists * LIST_BYTES + content + size.lists["user"] * STRING_BYTES + why))


def check_policy(redis: Any) -> None:
    """Refuse a server that could drop lists on its own.

    Raises:
        BadInput: `maxmemory` is set with an `allkeys-*` policy. Lists have no expiry, so `volatile-*` spares them.
    """
    for node, memory in _memory(redis):
        policy = str(memory.get("maxmemory_policy", "noeviction"))
        if int(memory.get("maxmemory", 0)) and policy.startswith("allkeys-"):
            raise BadInput(
                f"Redis{node} evicts any key when full (maxmemory-policy {policy}), so lists could go missing; "
                f"set maxmemory-policy to noeviction or a volatile-* policy"
            )


def shortage(redis: Any, needed: int) -> str | None:
    """What is missing for `needed` further bytes, as a sentence; None if they fit."""
    nodes = _memory(redis)
    share = needed if len(nodes) == 1 else int(needed / len(nodes) * 1.2)
    for node, memory in nodes:
        limit, used = int(memory.get("maxmemory", 0)), int(memory["used_memory"])
        limit = limit or int(memory.get("total_system_memory", 0))
        if limit and used + share > limit:
            return (
                f"Redis{node} uses {_mb(used)} of {_mb(limit)} and a new version needs about {_mb(share)} beside it "
                f"(two versions stand at the peak)"
            )
    return None


def used(redis: Any) -> list[tuple[int, int, int]]:
    """Number, bytes used and bytes at most of every primary; the machine's memory where no limit is set."""
    return [
        (
            number,
            int(memory["used_memory"]),
            int(memory.get("maxmemory", 0)) or int(memory.get("total_system_memory", 0)),
        )
        for number, (_, memory) in enumerate(_memory(redis))
    ]


def check_room(redis: Any, needed: int) -> None:
    """Refuse to start what cannot end.

    Raises:
        Unavailable: the memory does not suffice.
    """
    missing = shortage(redis, needed)
    if missing:
        raise Unavailable(f"{missing}; nothing was written: raise maxmemory, shorten the lists or score fewer users")


def _memory(redis: Any) -> list[tuple[str, dict[str, Any]]]:
    """INFO memory of every primary, with a name for messages."""
    if not hasattr(redis, "get_primaries"):
        return [("", redis.info("memory"))]
    return [(f" node {node.name}", redis.info("memory", target_nodes=node)) for node in redis.get_primaries()]


def _mb(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"
