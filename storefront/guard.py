"""The breaker around each round trip to Redis, and what a failure is."""

from redis.exceptions import ClusterDownError, RedisClusterException, RedisError, ResponseError

from storefront.breaker import Breaker, BreakerState
from storefront.connection import where
from storefront.errors import NeedsKey, NoLists, RedisDown, UnknownSurface
from storefront.question import REFUSED
from storefront.watch import Watch

FAILURES = (RedisError, RedisClusterException, OSError)
"""What redis-py raises when a round trip fails."""


class Guard:
    """Asks the breaker before a round trip, tells it how it went, and names the failure."""

    def __init__(self, url: str, breaker: Breaker | None, watch: Watch | None) -> None:
        self.breaker = breaker or Breaker()
        if watch is not None:
            self.breaker.changed = watch.breaker
        self._place = f"Redis at {where(url)}"

    def admit(self) -> None:
        """
        Raises:
            RedisDown: the breaker is open.
        """
        if self.breaker.state is not BreakerState.CLOSED and (seconds := self.breaker.refused_for()):
            raise RedisDown(f"{self._place} did not answer lately; it is asked again in {seconds:.1f} s", seconds)

    def failed(self, error: Exception) -> RedisDown:
        """What to raise for one of `FAILURES`."""
        if isinstance(error, ResponseError) and not isinstance(error, ClusterDownError):
            self.breaker.succeeded()  # it is there
            return RedisDown(f"{self._place} refuses: {error}. May this user read?")
        self.breaker.failed()
        return RedisDown(f"{self._place} does not answer: {str(error) or 'not in time'}. Is it running?")


def failure_kind(error: Exception) -> str:
    """The name under which a failure is counted."""
    kinds = {UnknownSurface: "unknown_surface", NoLists: "no_lists", NeedsKey: "needs_key", RedisDown: "redis_down"}
    return kinds.get(type(error), "bad_request" if isinstance(error, REFUSED) else "internal")
