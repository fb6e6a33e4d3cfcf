"""The client's counts and times for Prometheus."""

import math
import os
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from storefront.answer import Answer
from storefront.breaker import BreakerState
from storefront.watch import Watch

CONTENT_TYPE = CONTENT_TYPE_LATEST
SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable with the folder through which several workers tell one sum."""
BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
STATES = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}
WHOSE = ("user", "item", "basket", "all", "none")


class Metrics(Watch):
    """A `Watch` that Prometheus can read. Labels come from the lists, never from a caller's text."""

    def __init__(self, max_age_seconds: float | None = None) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._lookups = Counter(
            "storefront_lookups", "Lookups answered, by whose list it was", ["surface", "fallback"], registry=registry
        )
        self._errors = Counter("storefront_lookup_errors", "Lookups that failed", ["kind"], registry=registry)
        self._degraded = Counter(
            "storefront_degraded", "Lookups answered from memory while Redis was away", ["surface"], registry=registry
        )
        self._stale = Counter(
            "storefront_stale_lookups", "Lookups answered with lists called stale", ["surface"], registry=registry
        )
        self._seconds = Histogram(
            "storefront_lookup_seconds", "Time of a lookup", ["outcome"], buckets=BUCKETS, registry=registry
        )
        self._breaker = Gauge(
            "storefront_breaker_state",
            "Circuit breaker of Redis: 0 closed, 1 half-open, 2 open",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._age = Gauge(
            "storefront_list_age_seconds",
            "Time since the current lists were made",
            ["surface"],
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self._through = Gauge(
            "storefront_data_through_timestamp_seconds",
            "End of the last day that the current lists know",
            ["surface"],
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self._pointer = Gauge(
            "storefront_pointer_read_timestamp_seconds",
            "When Redis last told which lists are current; older than a minute: it does not, or nobody asks",
            ["surface"],
            registry=registry,
            multiprocess_mode="max",
        )
        self._limit = Gauge(
            "storefront_max_age_seconds",
            "MAX_AGE_SECONDS: older lists are called stale; +Inf: none are",
            registry=registry,
            multiprocess_mode="max",
        )
        self._limit.set(math.inf if max_age_seconds is None else max_age_seconds)
        self._answers = lru_cache(1024)(self._lookups.labels)  # finding a label's counter costs more than counting
        self._answered = self._seconds.labels("answered")
        self._made: dict[str, float] = {}
        self._shown: dict[str, str | None] = {}
        self._breaker.set(0)

    def answered(self, answer: Answer, seconds: float) -> None:
        whose = answer.fallback if answer.fallback in WHOSE else "segment"
        self._answers(answer.surface if answer.version else "", whose).inc()
        self._answered.observe(seconds)
        if answer.stale:
            self._stale.labels(answer.surface).inc()
            if answer.degraded:
                self._degraded.labels(answer.surface).inc()
                return  # what is remembered may be older than what was last read
        if answer.version != self._shown.get(answer.surface) and answer.arm is None and answer.data_through:
            self._shown[answer.surface] = answer.version
            end = datetime.fromisoformat(answer.data_through).replace(tzinfo=UTC) + timedelta(days=1)
            self._through.labels(answer.surface).set(end.timestamp())

    def failed(self, kind: str, seconds: float) -> None:
        self._errors.labels(kind).inc()
        self._seconds.labels("failed").observe(seconds)

    def breaker(self, state: BreakerState) -> None:
        self._breaker.set(STATES[state])

    def published(self, surface: str, generated_at: str) -> None:
        self._made[surface] = datetime.fromisoformat(generated_at).timestamp()
        self._pointer.labels(surface).set(time.time())

    def text(self) -> bytes:
        """The exposition format; of all workers where there are several."""
        for surface, made in self._made.items():
            self._age.labels(surface).set(max(0.0, time.time() - made))
        registry = self._registry
        if os.environ.get(SHARED):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)
        return generate_latest(registry)

    def close(self) -> None:
        """Take this worker's breaker out of the sum."""
        if os.environ.get(SHARED):
            mark_process_dead(os.getpid())
