"""Pushes whole lists into Redis from several workers: verified reply by reply, throttled, healed within a run."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from jobs.publication.assembling import ContentHash
from jobs.publication.encoding import Commands, encode, key_of
from jobs.publication.pace import Pace
from jobs.publication.sending import Refused, Sender, Unexpected
from jobs.publication.servers import run_ids
from jobs.publication.whole_lists import Lists, WholeList
from lake.errors import BadInput, Unavailable
from storefront import contract
from storefront.connection import RECONNECT

log = logging.getLogger("nightshelf.publication")

BATCH_ROWS, BATCH_LISTS = 32_768, 1024
"""Of one batch: about a megabyte, so that the cost of a call into Arrow is spread thin."""

WAITING = 2
"""Batches that are ready before a worker is free; with one a worker, all that are in memory."""

SAMPLE_LISTS = 200
RECONNECT_SECONDS = (0.2, 1.0, 3.0)
MOST_RESENT = 50
PROGRESS_SECONDS = 10.0


@dataclass
class Loaded:
    """What was pushed: lists by kind, the longest, segments in order, the content's hash and lists to read back."""

    lists: dict[str, int] = field(default_factory=lambda: {"user": 0, "item": 0, "segment": 0})
    longest: int = 0
    segments: list[str] = field(default_factory=list)
    content: ContentHash = field(default_factory=ContentHash)
    sample: list[WholeList] = field(default_factory=list)

    def total(self) -> int:
        return sum(self.lists.values())


class Loading:
    """One load of one version of `expected` lists. Rates are lists a second over all workers, 0 = as fast as it goes.

    Workers are threads: making the bytes, sending and waiting release Python's lock, and one publisher has to feed
    servers of one thread each (docs/decisions/0020).
    """

    def __init__(
        self,
        redis: Any,
        surface: str,
        version: str,
        *,
        per_second: int = 0,
        workers: int = 1,
        expected: int,
        heartbeat: Callable[[], None] = lambda: None,
    ) -> None:
        self._redis, self._surface, self._version = redis, surface, version
        self._workers, self._expected, self._heartbeat = workers, expected, heartbeat
        self._sender, self._stopped = Sender(redis), threading.Event()
        self._pace = Pace(per_second, self._stopped)
        random = np.random.default_rng(int(version[-6:], 16))
        # Drawn before anything is read: a list that is not read back never becomes objects of Python.
        self._sampled = np.sort(random.choice(expected, min(SAMPLE_LISTS, expected), replace=False))
        self._resent: list[tuple[str, int]] = []
        self._resends = 0
        self._servers = run_ids(redis)
        self._started = self._told = time.monotonic()

    def push(self, lists: Iterable[Lists]) -> Loaded:
        """Push all lists under the version; the first worker that fails stops the others, and none is left behind.

        Raises:
            Unavailable: Redis is full or stays away.
            BadInput: an owner has two lists.
        """
        loaded, seen = Loaded(), 0
        flying: set[Future[_Delivered]] = set()
        self._started = self._told = time.monotonic()
        with ThreadPoolExecutor(self._workers, "publish") as pool:
            try:
                for batch in (part for whole in lists for part in whole.in_parts(BATCH_ROWS, BATCH_LISTS)):
                    low, high = np.searchsorted(self._sampled, [seen, seen + len(batch)])
                    loaded.sample += [batch.one(number - seen) for number in self._sampled[low:high].tolist()]
                    seen += len(batch)
                    flying.add(pool.submit(self._deliver, batch))
                    flying = self._settle(loaded, flying, self._workers + WAITING - 1)
                self._settle(loaded, flying, 0)
            except BaseException:
                self._stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return loaded

    def _settle(self, loaded: Loaded, flying: "set[Future[_Delivered]]", most: int) -> "set[Future[_Delivered]]":
        """Account for batches that arrived, until at most `most` are on their way."""
        while len(flying) > most:
            arrived, flying = wait(flying, timeout=1.0, return_when=FIRST_COMPLETED)
            for each in arrived:
                each.result().into(loaded)
            self._patiently(lambda _: self._heartbeat())
            now = time.monotonic()
            if now - self._told >= PROGRESS_SECONDS:
                self._told = now
                self._tell(loaded.total(), now - self._started)
        return flying

    def _deliver(self, batch: Lists) -> "_Delivered":
        commands = encode(batch, self._surface, self._version)
        step = self._pace.burst or len(batch)
        for start in range(0, len(batch), step):
            if self._stopped.is_set():
                break
            stop = min(start + step, len(batch))
            burst = [each.slice(start, stop) for each in commands]
            self._patiently(partial(self._send_once, burst))
            self._pace.wait(stop - start)
        return _Delivered.of(batch)

    def _patiently(self, attempt: Callable[[bool], None]) -> None:
        """Try until Redis is there; the argument of `attempt` is whether it was tried before."""
        for number, pause in enumerate((*RECONNECT_SECONDS, None)):
            try:
                return attempt(number > 0)
            except RECONNECT as error:
                if pause is None or self._stopped.is_set():
                    raise
                log.warning("%s: lost Redis (%s); trying again in %.1f s", self._surface, error, pause)
                self._stopped.wait(pause)
        return None

    def _send_once(self, burst: list[Commands], again: bool) -> None:
        """Send, and hold every reply against what it should be. `again` drops what a first try may have left."""
        pushes = burst[0]
        try:
            if again:
                self._note_resent(pushes)
                self._sender.drop([key for each in burst for key in each.keys.to_pylist()])
            self._sender.send(burst)
        except Refused as error:
            raise Unavailable(
                f"surface {self._surface}: Redis refused a list of version {self._version}: {error}. The old lists "
                f"go on serving; make room (or shorten the lists) and run this again."
            ) from error
        except Unexpected as error:
            raise BadInput(
                f"surface {self._surface}: {error}: an owner occurs twice in `lists`; make the lists again"
            ) from error

    def _note_resent(self, pushes: Commands) -> None:
        self._resends += 1
        if self._resends > MOST_RESENT:
            raise Unavailable(
                f"surface {self._surface}: the connection to Redis was lost {MOST_RESENT} times in one publication; "
                f"the old lists go on serving: look at the network, then run this again"
            )
        self._resent += zip(pushes.keys.to_pylist(), pushes.replies.tolist(), strict=True)

    def read_back(self, sample: list[WholeList]) -> None:
        """Hold what stands in Redis against what was pushed: a sample by value, what was sent twice by length.

        Raises:
            Unavailable: something differs, or a server is not the one that acknowledged the lists.
        """
        if run_ids(self._redis) != self._servers:
            raise Unavailable(
                f"surface {self._surface}: Redis was restarted, or another node took over, while version "
                f"{self._version} was loaded, and may have lost lists that it had acknowledged; run this again"
            )
        for whole in sample:
            key = key_of(self._surface, self._version, whole.kind, whole.owner)
            found = self._redis.lrange(key, 0, -1)
            why = whole.reasons
            if whole.kind == "user":
                why = self._redis.get(contract.why_key(self._surface, self._version, whole.owner))
            if found != whole.items or why != whole.reasons:
                raise Unavailable(
                    f"surface {self._surface}: read back, the {whole.kind} list of {whole.owner!r} in version "
                    f"{self._version} differs from what was pushed"
                )
        # The server may take up what a dead connection still held after what was sent in its place.
        for start in range(0, len(self._resent), BATCH_LISTS):
            part = self._resent[start : start + BATCH_LISTS]
            pipeline = self._redis.pipeline(transaction=False)
            for key, _ in part:
                pipeline.llen(key)
            for (key, size), found in zip(part, pipeline.execute(), strict=True):
                if found != size:
                    raise Unavailable(
                        f"surface {self._surface}: {key} has {found} items, {size} were pushed, after the connection "
                        f"was lost; run this again"
                    )

    def _tell(self, done: int, seconds: float) -> None:
        rate = done / seconds
        left = max(0, self._expected - done) / rate if rate else 0.0
        log.info("%s: %d of %d lists, %.0f/s, %.0f s left", self._surface, done, self._expected, rate, left)


@dataclass(frozen=True)
class _Delivered:
    """What is kept of a batch that stands in Redis."""

    kind: str
    lists: int
    longest: int
    digest: int
    segments: list[str]

    @classmethod
    def of(cls, batch: Lists) -> "_Delivered":
        segments = batch.owners.to_pylist() if batch.kind == "segment" else []
        return cls(batch.kind, len(batch), int(batch.sizes.max()), batch.digest(), segments)

    def into(self, loaded: Loaded) -> None:
        loaded.lists[self.kind] += self.lists
        loaded.content.add_digest(self.digest)
        loaded.segments += self.segments
        loaded.longest = max(loaded.longest, self.longest)
