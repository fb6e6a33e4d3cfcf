"""Which versions of a surface's lists stand in Redis, and what the lake has of the last days."""

from typing import Any

from redis.exceptions import RedisError

from jobs.publication.standing import in_redis
from lake import storage
from lake.errors import Unavailable
from lake.settings import Settings
from models.changes.standing import standing
from storefront.connection import connect, where

LAST_DAYS = 14


def overview(settings: Settings, surface: str) -> dict[str, Any]:
    """The current version, all that stand with what each says of itself (newest first), experiment, and days.

    Raises:
        BadName: the surface cannot be one.
        Unavailable: Redis does not answer.
    """
    try:
        with connect(settings.redis_url, timeout=2.0) as redis:
            found = in_redis(redis, surface)
    except RedisError as error:
        raise Unavailable(f"Redis at {where(settings.redis_url)} does not answer ({error}); is it running?") from error
    days = [standing(settings, ds, surface) for ds in reversed(storage.days(settings, "lists")[-LAST_DAYS:])]
    told = [{"ds": day.ds, "state": day.state, "text": day.text, "version": day.version} for day in days]
    return {"surface": surface, **found, "days": told}
