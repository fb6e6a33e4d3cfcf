"""The time that a search may take, and the signal that ends it early."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Over(Exception):
    """The time of a search ended before a step was done."""


class Budget:
    """Seconds from now on; `stop` ends them at once.

    Args:
        seconds: how long.
        clock: monotonic seconds, for tests.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self.seconds = seconds
        self.stopped = False

    @property
    def spent(self) -> float:
        """Seconds since the beginning."""
        return self._clock() - self._started

    @property
    def left(self) -> float:
        """Seconds left; 0 once stopped."""
        return 0.0 if self.stopped else max(0.0, self.seconds - self.spent)

    def check(self, *_: object) -> None:
        """Raises `Over` once nothing is left; takes whatever an epoch tells, so that it can watch a fit."""
        if self.left <= 0:
            raise Over

    def told(self) -> str:
        """What is left as minutes and seconds."""
        return f"{int(self.left) // 60}:{int(self.left) % 60:02d}"

    @contextmanager
    def ended_by(self, number: signal.Signals = signal.SIGTERM) -> Iterator[None]:
        """While inside, the signal means that time is up."""

        def stop(_: int, __: FrameType | None) -> None:
            self.stopped = True

        before = signal.signal(number, stop)
        try:
            yield
        finally:
            signal.signal(number, before)
