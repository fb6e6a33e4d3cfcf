"""The circuit breaker: a Redis that is away is not waited for again and again.

M. Nygard, Release It!, 2nd ed., chapter 5. It knows no I/O, so that the client of threads and that of asyncio share it;
docs/decisions/0017 says why it is no library.
"""

import threading
import time
from collections.abc import Callable
from enum import StrEnum


class BreakerState(StrEnum):
    """`closed` asks Redis; `open` refuses at once; `half-open`: one lookup is trying, the others are refused."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """Opens after `failures` in a row; after `seconds` one probe is let through, whose success closes it.

    A probe that never tells how it ended (its thread died, its task was cancelled) is followed by another one after
    `seconds`. Safe to share between threads.
    """

    def __init__(
        self,
        failures: int = 5,
        seconds: float = 2.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        changed: Callable[[BreakerState], None] = lambda state: None,
    ) -> None:
        if failures < 1 or seconds <= 0:
            raise ValueError(f"failures={failures}, seconds={seconds}: give at least 1 failure and more than 0 seconds")
        self._limit, self._seconds = failures, seconds
        self.changed = changed
        self._clock = clock
        self._lock = threading.Lock()
        self._failed, self._until = 0, 0.0
        self._state = BreakerState.CLOSED

    @property
    def state(self) -> BreakerState:
        return self._state

    def refused_for(self) -> float:
        """0 if Redis may be asked now, else the seconds until it may. Whoever gets 0 reports how it went."""
        if self.state is BreakerState.CLOSED:
            return 0.0
        with self._lock:
            now = self._clock()
            if self._state is not BreakerState.CLOSED:
                if now < self._until:
                    return self._until - now
                self._until = now + self._seconds
                self._become(BreakerState.HALF_OPEN)
        return 0.0

    def succeeded(self) -> None:
        """Redis answered."""
        if self._failed:
            with self._lock:
                self._failed = 0
                self._become(BreakerState.CLOSED)

    def failed(self) -> None:
        """Redis did not answer."""
        with self._lock:
            self._failed += 1
            if self._failed >= self._limit:
                self._until = self._clock() + self._seconds
                self._become(BreakerState.OPEN)

    def _become(self, state: BreakerState) -> None:
        if state is not self._state:
            self._state = state
            self.changed(state)
