"""One way to reach Redis, for readers and writers, for threads and for asyncio: one node, TLS or a cluster, by URL."""

from typing import Any

import redis
import redis.asyncio as aioredis
from redis.asyncio.cluster import RedisCluster as AsyncRedisCluster
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialWithJitterBackoff
from redis.cluster import RedisCluster
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from storefront import elasticache

RECONNECT = (RedisConnectionError, RedisTimeoutError, OSError)
"""What a lost server looks like; anything else is an answer."""


def connect(
    url: str, *, timeout: float = 0.5, retries: int = 2, connections: int = 50, decode: bool = True
) -> "redis.Redis | RedisCluster":
    """A pooled client; nothing is sent yet on a single node (a cluster is asked for its slots).

    Args:
        url: `redis://` or `rediss://` as redis-py reads it; `redis+cluster://` and `rediss+cluster://` for a cluster;
            `rediss://USER@HOST:PORT/0?aws_cache=NAME` to log in to ElastiCache with IAM.
        timeout: seconds to connect, seconds to wait for an answer, and seconds to wait for a free connection.
        retries: how often a command is sent again after a lost connection, with exponential backoff and jitter.
            0 for writers whose commands must not run twice.
        connections: upper bound of the pool, a node.
        decode: answers as text; False gives bytes.
    """
    url, login = elasticache.split(url)
    options = _options(timeout, connections, decode, login) | {"retry": Retry(_backoff(), retries)}
    if "+cluster://" in url:
        return RedisCluster.from_url(_node(url), **options)
    return redis.Redis.from_pool(redis.BlockingConnectionPool.from_url(url, timeout=timeout, **options))


def connect_async(
    url: str, *, timeout: float = 0.5, retries: int = 2, connections: int = 50
) -> "aioredis.Redis | AsyncRedisCluster":
    """The same for asyncio, with answers as text; nothing is sent yet.

    `timeout` is for connecting only, and a connection above `connections` is an error: the caller bounds both around a
    whole round trip, which is half as much work as redis-py's own bounds (a task a write, a condition a connection).
    """
    url, login = elasticache.split(url)
    options = _options(timeout, connections, True, login)
    options |= {"retry": AsyncRetry(_backoff(), retries), "socket_timeout": None}
    if "+cluster://" in url:
        return AsyncRedisCluster.from_url(_node(url), **options)
    return aioredis.Redis.from_url(url, **options)


def where(url: str) -> str:
    """The URL without its password, for messages."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rsplit('@', 1)[-1]}"


def _backoff() -> ExponentialWithJitterBackoff:
    return ExponentialWithJitterBackoff(base=0.02, cap=0.25)


def _options(timeout: float, connections: int, decode: bool, login: elasticache.IamLogin | None) -> dict[str, Any]:
    return {
        **({"credential_provider": login} if login else {}),
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "decode_responses": decode,
        "max_connections": connections,
    }


def _node(url: str) -> str:
    return url.replace("+cluster://", "://", 1)
