"""What a shop may count and time about its lookups: a class with four methods to override, and no library behind it."""

from storefront.answer import Answer
from storefront.breaker import BreakerState


class Watch:
    """Is told what the client does; this one listens to nothing. `storefront.service.metrics` is one for Prometheus.

    Called on the lookup's own thread or event loop: return at once, raise nothing.
    """

    def answered(self, answer: Answer, seconds: float) -> None:
        """A lookup was answered after `seconds`, from this machine's memory if `answer.degraded`."""

    def failed(self, kind: str, seconds: float) -> None:
        """A lookup failed: `bad_request`, `no_lists`, `unknown_surface`, `needs_key`, `redis_down`, or `internal`,
        which is a fault of the client's."""

    def breaker(self, state: BreakerState) -> None:
        """The circuit breaker changed."""

    def published(self, surface: str, generated_at: str) -> None:
        """The surface's pointer was read: lists made at `generated_at` (ISO 8601, UTC) are current."""
