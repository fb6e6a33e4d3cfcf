"""The publisher's connection: errors of Redis become errors a person can act on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis.exceptions import RedisError

from lake.errors import Unavailable
from lake.settings import Settings
from storefront.connection import RECONNECT, connect, where

TIMEOUT_SECONDS = 10.0


@contextmanager
def open_redis(settings: Settings) -> Iterator[Any]:
    """A client that never sends a command twice, closed at the end.

    Raises:
        Unavailable: Redis does not answer, at the start or at any time within.
    """
    place = where(settings.redis_url)
    client: Any = None
    try:
        client = connect(settings.redis_url, timeout=TIMEOUT_SECONDS, retries=0)
        client.ping()
        yield client
    except RECONNECT as error:
        raise Unavailable(
            f"Redis at {place} does not answer ({error}). The published lists were not touched; "
            f"start Redis (`make up`) or set REDIS_URL, then run this again."
        ) from error
    except RedisError as error:
        raise Unavailable(f"Redis at {place} refused: {error}. The published lists were not touched.") from error
    finally:
        if client is not None:
            client.close()
