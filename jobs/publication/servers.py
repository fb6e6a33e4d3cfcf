"""Which Redis processes stand behind a client: a restart or a failover may lose what was acknowledged."""

from typing import Any


def run_ids(redis: Any) -> frozenset[str]:
    """The ids that the primaries drew when they started, one each."""
    if not hasattr(redis, "get_primaries"):
        return frozenset({str(redis.info("server")["run_id"])})
    return frozenset(str(redis.info("server", target_nodes=node)["run_id"]) for node in redis.get_primaries())
