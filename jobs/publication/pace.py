"""The throttle of a publication: one rate for all its workers."""

import os
import threading
import time

SLACK_SECONDS = 0.2
"""How far a publication that fell behind may catch up at full speed."""


NICENESS = 10
"""Of a throttled publication: where it shares cores with Redis or with readers, they come first."""


def step_back() -> None:
    """Lower this process' priority, for good; so only commands do it, which are processes of their own."""
    os.nice(max(0, NICENESS - os.nice(0)))


class Pace:
    """Deals out time: `per_second` lists a second over all callers, 0 = as fast as it goes."""

    def __init__(self, per_second: int, stopped: threading.Event) -> None:
        self.per_second, self._stopped = per_second, stopped
        self._lock, self._free = threading.Lock(), time.monotonic()

    @property
    def burst(self) -> int:
        """Lists to send at once, so that readers wait for a few only: two milliseconds' worth; 0 = any number.

        A reader that comes behind a burst waits for all of it: at some 20 microseconds a list, a tenth of these two
        milliseconds on a server that could take 50,000 lists a second.
        """
        return max(1, self.per_second // 500) if self.per_second else 0

    def wait(self, lists: int) -> None:
        """Return when so many lists may have been sent; earlier if the publication is stopped."""
        if not self.per_second:
            return
        with self._lock:
            self._free = max(self._free, time.monotonic() - SLACK_SECONDS) + lists / self.per_second
            due = self._free
        self._stopped.wait(max(0.0, due - time.monotonic()))
