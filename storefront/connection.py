"""One way to reach Redis, for readers and writers: one node, TLS or a cluster, by URL."""

from collections.abc import Mapping
from typing import Any

import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.cluster import RedisCluster
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

RECONNECT = (RedisConnectionError, RedisTimeoutError, OSError)
"""What a lost server looks like; anything else is an answer."""


def connect(
    url: str, *, timeout: float = 0.5, retries: int = 2, connections: int = 50, decode: bool = True
) -> "redis.Redis | RedisCluster":
    """A pooled client; nothing is sent yet on a single node (a cluster is asked for its slots).

    Args:
        url: `redis://` or `rediss://` as redis-py reads it; `redis+cluster://` and `rediss+cluster://` for a cluster.
        timeout: seconds to connect, and seconds to wait for an answer.
        retries: how often a command is sent again after a lost connection, with exponential backoff and jitter.
            0 for writers whose commands must not run twice.
        connections: upper bound of the pool, a node.
        decode: answers as text; False gives bytes.
    """
    retry = Retry(ExponentialWithJitterBackoff(base=0.02, cap=0.25), retries)
    options: Mapping[str, Any] = {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "decode_responses": decode,
        "max_connections": connections,
        "retry": retry,
    }
    if "+cluster://" in url:
        return RedisCluster.from_url(url.replace("+cluster://", "://", 1), **options)
    return redis.Redis.from_url(url, **options)


def where(url: str) -> str:
    """The URL without its password, for messages."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rsplit('@', 1)[-1]}"
