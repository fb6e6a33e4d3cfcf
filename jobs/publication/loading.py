"""Pushes whole lists into Redis: pipelined, verified reply by reply, throttled, resumable within a run."""

import logging
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from redis.exceptions import RedisError

from jobs.publication.assembling import ContentHash, WholeList
from lake.errors import BadInput, Unavailable
from storefront import contract
from storefront.connection import RECONNECT

log = logging.getLogger("nightshelf.publication")

BATCH_LISTS = 256
SAMPLE_LISTS = 200
RECONNECT_SECONDS = (0.2, 1.0, 3.0)
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
    """One load of one version. Rates are lists a second, 0 = as fast as it goes."""

    def __init__(
        self,
        redis: Any,
        surface: str,
        version: str,
        *,
        per_second: int = 0,
        expected: int = 0,
        heartbeat: Callable[[], None] = lambda: None,
    ) -> None:
        self._redis, self._surface, self._version = redis, surface, version
        self._per_second, self._expected, self._heartbeat = per_second, expected, heartbeat
        self._random = random.Random(version)

    def push(self, lists: Iterable[WholeList]) -> Loaded:
        """Push all lists under the version.

        Raises:
            Unavailable: Redis is full or stays away.
            BadInput: an owner has two lists.
        """
        loaded, started, told = Loaded(), time.monotonic(), time.monotonic()
        source = iter(lists)
        size = min(BATCH_LISTS, max(1, self._per_second // 10)) if self._per_second else BATCH_LISTS
        while batch := list(islice(source, size)):
            self._send(batch)
            for whole in batch:
                self._account(loaded, whole)
            self._heartbeat()
            elapsed = time.monotonic() - started
            if self._per_second:
                time.sleep(max(0.0, loaded.total() / self._per_second - elapsed))
            if time.monotonic() - told >= PROGRESS_SECONDS:
                told = time.monotonic()
                self._tell(loaded.total(), told - started)
        return loaded

    def _account(self, loaded: Loaded, whole: WholeList) -> None:
        loaded.lists[whole.kind] += 1
        loaded.content.add(whole)
        if whole.kind == "segment":
            loaded.segments.append(whole.owner)
        loaded.longest = max(loaded.longest, len(whole.items))
        # Reservoir sampling (Vitter's algorithm R): every list is read back with the same probability.
        if len(loaded.sample) < SAMPLE_LISTS:
            loaded.sample.append(whole)
        elif (slot := self._random.randrange(loaded.total())) < SAMPLE_LISTS:
            loaded.sample[slot] = whole

    def _send(self, batch: list[WholeList]) -> None:
        for attempt, pause in enumerate((*RECONNECT_SECONDS, None)):
            try:
                return self._send_once(batch, again=attempt > 0)
            except RECONNECT as error:
                if pause is None:
                    raise
                log.warning("%s: lost Redis (%s); sending the batch again in %.1f s", self._surface, error, pause)
                time.sleep(pause)
        return None

    def _send_once(self, batch: list[WholeList], *, again: bool) -> None:
        """One pipeline. `again` drops what a first try may have left, since RPUSH twice doubles a list."""
        pipeline = self._redis.pipeline(transaction=False)
        expected: list[Any] = []
        for whole in batch:
            key = self._key(whole)
            if again:
                pipeline.execute_command("UNLINK", key)
                expected.append(None)
            pipeline.execute_command("RPUSH", key, *whole.items)
            expected.append(len(whole.items))
            if whole.kind == "user":
                why = contract.why_key(self._surface, self._version, whole.owner)
                pipeline.execute_command("SET", why, whole.reasons)
                expected.append(True)
        replies = pipeline.execute(raise_on_error=False)
        for reply, wanted in zip(replies, expected, strict=True):
            if isinstance(reply, RECONNECT):
                raise reply
            if isinstance(reply, RedisError):
                raise Unavailable(
                    f"surface {self._surface}: Redis refused a list of version {self._version}: {reply}. The old lists "
                    f"go on serving; make room (or shorten the lists) and run this again."
                )
            if wanted is not None and reply != wanted:
                raise BadInput(
                    f"surface {self._surface}: a list has {reply} items in Redis, expected {wanted}: an owner occurs "
                    f"twice in `lists`; make the lists again"
                )

    def _key(self, whole: WholeList) -> str:
        make = {"user": contract.user_key, "item": contract.item_key, "segment": contract.segment_key}[whole.kind]
        return make(self._surface, self._version, whole.owner)

    def read_back(self, sample: list[WholeList]) -> None:
        """Compare lists in Redis, value by value, with what was pushed.

        Raises:
            Unavailable: one differs.
        """
        for whole in sample:
            found = self._redis.lrange(self._key(whole), 0, -1)
            why = whole.reasons
            if whole.kind == "user":
                why = self._redis.get(contract.why_key(self._surface, self._version, whole.owner))
            if found != whole.items or why != whole.reasons:
                raise Unavailable(
                    f"surface {self._surface}: read back, the {whole.kind} list of {whole.owner!r} in version "
                    f"{self._version} differs from what was pushed"
                )

    def _tell(self, done: int, seconds: float) -> None:
        rate = done / seconds
        left = max(0, self._expected - done) / rate if rate else 0.0
        log.info("%s: %d of %d lists, %.0f/s, %.0f s left", self._surface, done, self._expected, rate, left)
