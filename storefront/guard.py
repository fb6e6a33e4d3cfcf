"""The breaker around each round trip to Redis, and what a failure is."""

from types import TracebackType

from redis.exceptions import ClusterDownError, RedisClusterException, RedisError, ResponseError

from storefront.breaker import Breaker
from storefront.connection import where
from storefront.errors import NeedsKey, NoLists, RedisDown, UnknownSurface
from storefront.watch import Watch

FAILURES = (RedisError, RedisClusterException, OSError)


class Guard:
    """Lets a round trip through unless the breaker is open, tells the breaker how it went, and names the failure."""

    def __init__(self, url: str, breaker: Breaker | None, watch: Watch | None) -> None:
        self.watch = watch or Watch()
        self.breaker = breaker or Breaker()
        self.breaker.changed = self.watch.breaker
        self._place = f"Redis at {where(url)}"

    def __enter__(self) -> None:
        """
        Raises:
            RedisDown: the breaker is open.
        """
        if seconds := self.breaker.refused_for():
            raise RedisDown(f"{self._place} did not answer lately; it is asked again in {seconds:.1f} s", seconds)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """
        Raises:
            RedisDown: Redis did not answer, or refused.
        """
        if error is None:
            self.breaker.succeeded()
        elif isinstance(error, ResponseError) and not isinstance(error, ClusterDownError):
            self.breaker.succeeded()  # it is there
            raise RedisDown(f"{self._place} refuses: {error}. May this user read?") from error
        elif isinstance(error, FAILURES):
            self.breaker.failed()
            raise RedisDown(f"{self._place} does not answer: {error}. Is it running?") from error


def failure_kind(error: Exception) -> str:
    """The name under which a failure is counted."""
    kinds = {UnknownSurface: "unknown_surface", NoLists: "no_lists", NeedsKey: "needs_key", RedisDown: "redis_down"}
    return kinds.get(type(error), "bad_request")  # type: ignore[arg-type]
