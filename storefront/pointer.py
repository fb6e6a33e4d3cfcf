"""Which version of a surface's lists is read: `current`, its meta and the experiment, cached for 30 seconds."""

import logging
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from storefront import contract
from storefront.contract import DEFAULT_SURFACE, Experiment, Meta
from storefront.errors import NoLists, RedisDown, StorefrontError, UnknownSurface

log = logging.getLogger("nightshelf.storefront")

T = TypeVar("T")
Command = tuple[Any, ...]
"""A method of redis-py's clients and its arguments: `("lrange", key, 0, 9)`."""
Steps = Generator[Sequence[Command], list[Any], T]
"""What is to be asked of Redis, one round trip a yield, answers sent in: logic without I/O, for any kind of client."""


@dataclass(frozen=True)
class Known:
    """What a pointer knows: the version, and on `current` the experiment of the surface.

    `meta` is None for an arm that has no version.
    """

    meta: Meta | None
    experiment: Experiment | None = None


class Pointer:
    """The cached pointer of one surface, or of one arm of it; safe to share between threads.

    One lookup reads it again when it is due, while the others go on with what is known. While Redis fails, the last
    version goes on serving and is asked for again after `retry_seconds`.

    Attributes:
        known: what was read last, however old.
        due: when, by the clock, somebody should `read` again.
    """

    def __init__(
        self,
        surface: str,
        arm: str | None = None,
        *,
        max_age: float = contract.POINTER_SECONDS,
        retry_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        told: Callable[[str, str], None] = lambda surface, generated_at: None,
    ) -> None:
        self._surface, self._arm, self._clock, self._told = surface, arm, clock, told
        self._key = contract.arm_key(surface, arm) if arm else contract.current_key(surface)
        self._max_age, self._retry_seconds = max_age, retry_seconds
        self.known: Known | None = None
        self.due = float("-inf")

    def read(self, *, empty: str | None = None) -> Steps[Known]:
        """Ask Redis, in two round trips.

        Args:
            empty: a version just found empty: its meta is not read again if it still is the current one.

        Raises:
            NoLists: the surface has no published version.
            RedisDown: Redis does not answer and no version is known yet.
        """
        self.due = self._clock() + self._retry_seconds  # meanwhile the others go on with what is known
        known = self.known
        try:
            version, experiment = yield from self._point()
            if version is None and not self._arm:
                self.known = None
                raise (yield from self._nothing())
            meta = known.meta if known is not None else None
            if version is None:
                meta = None
            elif meta is None or not meta.version == version == empty:
                (fields,) = yield [("hgetall", contract.meta_key(self._surface, version))]
                meta = Meta.read(fields)
            known = Known(meta, experiment)
        except RedisDown as error:
            return self._keep(known, error)
        except contract.BadName as error:
            return self._keep(
                known or (Known(None) if self._arm else None), NoLists(f"surface {self._surface}: {error}")
            )
        self.known, self.due = known, self._clock() + self._max_age
        if known.meta is not None and not self._arm:
            self._told(self._surface, known.meta.generated_at)
        return known

    def _point(self) -> Steps[tuple[str | None, Experiment | None]]:
        if self._arm:
            (version,) = yield [("get", self._key)]
            return version, None
        version, text = yield [("get", self._key), ("get", contract.experiment_key(self._surface))]
        try:
            return version, Experiment.read(text) if text else None
        except contract.BadExperiment as error:
            log.warning("surface %s: %s; everybody is shown the current lists", self._surface, error)
            return version, None

    def _nothing(self) -> Steps[NoLists]:
        say = f"run `python -m jobs.publish --ds YYYY-MM-DD --surface {self._surface}`"
        if self._surface != DEFAULT_SURFACE:
            (known,) = yield [("hgetall", contract.registry_key(self._surface))]  # readers may not use EXISTS
            if not known:
                return UnknownSurface(f"there is no surface {self._surface}: nothing was ever published on it; {say}")
        return NoLists(f"surface {self._surface}: {self._key} is not set, so nothing is published; {say}")

    def _keep(self, known: Known | None, failure: StorefrontError) -> Known:
        if known is None:
            raise failure
        log.warning("surface %s: %s; what is known goes on serving", self._surface, failure)
        return known
