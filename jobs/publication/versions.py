"""Versions of a surface in Redis: which one is named, which is being loaded, which may go.

All commands take one key, so this works on a cluster. Times are the server's, so publishers' clocks do not matter.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from lake.errors import Unavailable
from storefront import contract
from storefront.contract import BadName, Meta

log = logging.getLogger("nightshelf.publication")

LOADING, NAMED = "loading", "named"
AT_ONCE = 50
"""Keys of one UNLINK pipeline, and of a step of SCAN: readers wait behind it, a tenth of a millisecond."""
VERSION_LENGTH = len("20261123T021500Z-3fa2c1")
UNLINK_PER_SECOND = 50_000


class Versions:
    """The versions of one surface, as seen from `current`, or from the pointer of one arm of its experiment."""

    def __init__(self, redis: Any, surface: str, lease_seconds: int, arm: str | None = None) -> None:
        self._redis, self.surface, self._lease_seconds = redis, surface, lease_seconds
        self._current = contract.arm_key(surface, arm) if arm else contract.current_key(surface)
        self._lease = contract.lease_key(surface)
        self._registry = contract.registry_key(surface)
        self._renewed = 0.0

    # pointers

    def current(self) -> Meta | None:
        """The meta of the version that readers use; None if there is none, or it is damaged."""
        version = self._redis.get(self._current)
        return self.meta(version) if version else None

    def meta(self, version: str) -> Meta | None:
        try:
            return Meta.read(self._redis.hgetall(contract.meta_key(self.surface, version)))
        except BadName:
            return None

    def named(self) -> set[str]:
        """Versions that `current` or an arm names."""
        pointers = [contract.current_key(self.surface), *(contract.arm_key(self.surface, arm) for arm in self.arms())]
        return {version for pointer in pointers if (version := self._redis.get(pointer))}

    def arms(self) -> list[str]:
        """Arms that have a pointer, ascending."""
        start = contract.arm_key(self.surface, "x")[:-1]
        return sorted(key.removeprefix(start) for key in self._redis.scan_iter(match=f"{start}*", count=AT_ONCE))

    def ways_back(self) -> set[str]:
        """What the versions that `current` or an arm names replaced."""
        metas = (self.meta(version) for version in self.named())
        return {meta.replaces for meta in metas if meta is not None and meta.replaces}

    def point(self, version: str) -> None:
        """Let readers follow `version`: the one command that publishes, and the one that goes back."""
        before = self._redis.get(self._current)
        self._redis.hset(self._registry, version, NAMED)
        self._redis.set(self._current, version)
        if before and before != version:
            self._redis.hset(self._registry, before, self._now())

    def unpoint(self) -> None:
        """Take the pointer away; the grace of the version that it named begins."""
        before = self._redis.get(self._current)
        self._redis.delete(self._current)
        if before:
            self._redis.hset(self._registry, before, self._now())

    # lease

    def acquire(self, version: str, sleep: Callable[[float], None] = time.sleep) -> None:
        """Take the surface for a load. A lease that nobody renews is waited for; a living one is respected.

        Raises:
            Unavailable: another publication is at work.
        """
        lowest: float | None = None
        while not self._redis.set(self._lease, version, nx=True, ex=self._lease_seconds):
            left = self._redis.pttl(self._lease) / 1000
            holder = self._redis.get(self._lease)
            if holder is None:
                continue
            if left < 0 or (lowest is not None and left > lowest):
                raise Unavailable(
                    f"surface {self.surface}: another publication is loading version {holder}; wait for its end"
                )
            if lowest is None:
                log.warning("%s: version %s holds the lease for %.0f s more; waiting", self.surface, holder, left)
            lowest = left
            sleep(min(0.5, left + 0.01))
        self._renewed = time.monotonic()

    def begin(self, version: str) -> None:
        """Put the version on record before its first key, so that whatever is left of it can be swept."""
        self._redis.hset(self._registry, version, LOADING)

    def renew(self, version: str) -> None:
        """Keep the lease; cheap, so call it between batches.

        Raises:
            Unavailable: the lease was lost, so another publication may have begun.
        """
        if time.monotonic() - self._renewed < self._lease_seconds / 6:
            return
        self.hold(version)
        self._redis.expire(self._lease, self._lease_seconds)
        self._renewed = time.monotonic()

    def hold(self, version: str) -> None:
        """Make sure that the lease is still ours.

        Raises:
            Unavailable: it is not.
        """
        holder = self._redis.get(self._lease)
        if holder != version:
            raise Unavailable(
                f"surface {self.surface}: the lease of version {version} expired and {holder or 'nobody'} holds it; "
                f"nothing was published: run this again"
            )

    def release(self, version: str) -> None:
        if self._redis.get(self._lease) == version:
            self._redis.delete(self._lease)

    # removal

    def removable(
        self, grace_seconds: int, keep: Callable[[], Iterable[str]] = tuple, *, thorough: bool = True
    ) -> set[str]:
        """Versions that nothing names, for at least the grace, and dead loads. Starts the grace where it finds need.

        Args:
            keep: versions to spare all the same; asked for if there is anything to remove.
            thorough: look through all keys for versions that are not on record, too.
        """
        now = self._now()
        states: dict[str, str] = self._redis.hgetall(self._registry)
        spared = {self._redis.get(self._lease), self._redis.get(contract.current_key(self.surface))}
        known = set(states) | ({version for version, _ in self._keys()} if thorough else set())
        # Arms are looked for among all keys, so only where it matters: not for what is in its grace.
        suspects = {
            version
            for version in known - spared
            if not (since := states.get(version, "")).isdigit() or now - int(since) >= grace_seconds
        }
        gone = set()
        for version in suspects - self.named() if suspects else ():
            state = states.get(version)
            if state == LOADING:
                gone.add(version)
            elif state is None or state == NAMED:
                self._redis.hset(self._registry, version, now)
                state = str(now)
            if state not in (None, LOADING) and now - int(state) >= grace_seconds:
                gone.add(version)
        return gone - set(keep()) if gone else gone

    def remove(self, versions: set[str], heartbeat: Callable[[], None] = lambda: None) -> int:
        """UNLINK all keys of some versions, a few at a time; their meta goes first, so nobody goes back to them."""
        if not versions:
            return 0
        for version in versions:
            self._redis.delete(contract.meta_key(self.surface, version))
        batch: list[str] = []
        removed = 0
        for version, key in self._keys():
            if version in versions:
                batch.append(key)
            if len(batch) >= AT_ONCE:
                removed += self._unlink(batch)
                batch = []
                heartbeat()
        removed += self._unlink(batch)
        for version in versions:
            self._redis.hdel(self._registry, version)
        log.info("%s: removed %d keys of %s", self.surface, removed, ", ".join(sorted(versions)))
        return removed

    def _unlink(self, keys: list[str]) -> int:
        if not keys:
            return 0
        pipeline = self._redis.pipeline(transaction=False)
        for key in keys:
            pipeline.execute_command("UNLINK", key)
        removed = sum(map(int, pipeline.execute()))
        time.sleep(len(keys) / UNLINK_PER_SECOND)
        return removed

    def _keys(self) -> Iterator[tuple[str, str]]:
        """Every key of every version of the surface, as (version, key)."""
        start = len(f"recs:{self.surface}:")
        known: dict[str, bool] = {}  # millions of keys, a handful of versions
        for key in self._redis.scan_iter(match=f"recs:{self.surface}:*", count=AT_ONCE):
            version = key[start : start + VERSION_LENGTH]
            if version not in known:
                known[version] = contract.is_version(version)
            if known[version]:
                yield version, key

    def standing(self) -> dict[str, int]:
        """Version -> number of its keys, for people and tests."""
        found: dict[str, int] = defaultdict(int)
        for version, _ in self._keys():
            found[version] += 1
        return dict(found)

    def _now(self) -> int:
        moment = self._redis.time()
        if isinstance(moment, dict):  # a cluster answers for each node
            moment = max(moment.values())
        return int(moment[0])
