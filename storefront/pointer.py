"""Which version of a surface's lists is read: `current` and its meta, cached for 30 seconds."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from redis.exceptions import RedisError

from storefront import contract
from storefront.contract import Meta

log = logging.getLogger("nightshelf.storefront")


class StorefrontError(RuntimeError):
    """The lists cannot be read; the message says what to do."""


class NoLists(StorefrontError):
    """Nothing is published on the surface."""


class RedisDown(StorefrontError):
    """Redis does not answer."""


class Pointer:
    """The cached pointer of one surface (or one arm of it); safe to share between threads.

    While Redis fails, the last pointer goes on serving and is asked for again after `retry_seconds`.
    """

    def __init__(
        self,
        redis: Any,
        surface: str,
        arm: str | None = None,
        *,
        max_age: float = contract.POINTER_SECONDS,
        retry_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis, self._surface, self._clock = redis, surface, clock
        self._key = contract.arm_key(surface, arm) if arm else contract.current_key(surface)
        self._max_age, self._retry_seconds = max_age, retry_seconds
        self._lock = threading.Lock()
        self._meta: Meta | None = None
        self._due = float("-inf")

    @property
    def cached(self) -> Meta | None:
        """What was read last, however old."""
        return self._meta

    def meta(self, *, refresh: bool = False) -> Meta:
        """The meta of the version to read.

        Args:
            refresh: ask Redis even if the cache is fresh.

        Raises:
            NoLists: the surface has no published version.
            RedisDown: Redis does not answer and no version is known yet.
        """
        known = self._meta
        if known is not None and not refresh and self._clock() < self._due:
            return known
        # One thread asks; the others go on with what is known, and wait only where nothing is.
        if not self._lock.acquire(blocking=known is None or refresh):
            return known  # type: ignore[return-value]
        try:
            if self._meta is not None and not refresh and self._clock() < self._due:
                return self._meta
            return self._read()
        finally:
            self._lock.release()

    def of(self, version: str) -> Meta | None:
        """The meta of a given version, for pages that must stay in it; None if it is gone."""
        if self._meta is not None and self._meta.version == version:
            return self._meta
        try:
            contract.parse_version(version)
            return Meta.read(self._redis.hgetall(contract.meta_key(self._surface, version)))
        except contract.BadName:
            return None
        except RedisError as error:
            raise RedisDown(f"surface {self._surface}: Redis does not answer ({error}); is it running?") from error

    def _read(self) -> Meta:
        try:
            version = self._redis.get(self._key)
            if version is None:
                raise NoLists(
                    f"surface {self._surface}: {self._key} is not set, so nothing is published; "
                    f"run `python -m jobs.publish --ds YYYY-MM-DD --surface {self._surface}`"
                )
            meta = Meta.read(self._redis.hgetall(contract.meta_key(self._surface, version)))
        except RedisError as error:
            return self._keep(
                RedisDown(f"surface {self._surface}: Redis does not answer ({error}); is it running?"), error
            )
        except contract.BadName as error:
            return self._keep(NoLists(f"surface {self._surface}: {error}"), error)
        self._meta, self._due = meta, self._clock() + self._max_age
        return meta

    def _keep(self, failure: StorefrontError, cause: Exception) -> Meta:
        if self._meta is None:
            raise failure from cause
        self._due = self._clock() + self._retry_seconds
        log.warning("%s; version %s goes on serving", failure, self._meta.version)
        return self._meta
