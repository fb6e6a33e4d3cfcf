"""What to read for a question, in which order, and what to answer: the logic that all clients share. No I/O."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest

from storefront import contract
from storefront.answer import Answer, described
from storefront.contract import EVERYBODY, Meta, Reason
from storefront.errors import NeedsKey, NoLists, RedisDown
from storefront.memory import Memory
from storefront.pointer import Known, Pointer, Steps
from storefront.question import Question
from storefront.watch import Watch

log = logging.getLogger("nightshelf.storefront")

Found = tuple[str, Reason | None]
Taking = tuple[str | None, str | None]
"""The experiment that a shopper takes part in, and the arm; None is the control, or no experiment."""


@dataclass(frozen=True)
class Level:
    """Whose list, the keys of it (several are merged rank by rank), and the key of its reasons if they are wanted."""

    name: str
    keys: tuple[str, ...]
    why_key: str | None = None


class Reader:
    """The state that lookups share (pointers, remembered lists) and the steps of a lookup."""

    def __init__(
        self,
        *,
        user_key: bytes | None = None,
        filed: bool = False,
        max_age_seconds: float | None = None,
        pointer_seconds: float = contract.POINTER_SECONDS,
        keep_segments: int = 0,
        watch: Watch | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._user_key, self._filed, self._max_age = user_key, filed, max_age_seconds
        self._pointer_seconds = min(pointer_seconds, contract.POINTER_SECONDS)
        self._memory = Memory(keep_segments) if keep_segments else None
        self._watch, self._clock, self._now = watch or Watch(), clock, now
        self._pointers: dict[tuple[str, str | None], Pointer] = {}

    def answer(self, asked: Question) -> Steps[Answer]:
        """
        Raises:
            NoLists, RedisDown, NeedsKey: see there.
        """
        if asked.k == 0:
            known = self._pointer(asked.surface, None).cached
            return self._reply(known.meta if known else None, asked, 0)
        try:
            return (yield from self._asked_of_redis(asked))
        except RedisDown:
            if (answer := self._remembered(asked)) is None:
                raise
            return answer

    def _asked_of_redis(self, asked: Question) -> Steps[Answer]:
        version, empty = asked.version, None
        for _ in range(2):
            meta, taking = yield from self._choose(asked, version, empty)
            if meta.version == empty:
                break  # It still stands: it has nothing to show, as for a shopper with nothing due.
            size = min(asked.k, meta.k)
            for level in self._levels(asked, meta):
                found = yield from self._fetch(asked, meta, level, size)
                if kept := [pair for pair in found if pair[0] not in asked.exclude]:
                    return self._reply(meta, asked, size, level.name, kept, taking)
            version, empty = None, meta.version  # Nothing at all: removed under us? The pointer knows the next one.
        return self._reply(meta, asked, size, taking=taking)

    def meta(self, surface: str, *, fresh: bool = False) -> Steps[Meta]:
        """
        Args:
            fresh: ask Redis even if the cache would do, and fail if it does not answer.
        """
        if fresh:
            known = yield from Pointer(surface, clock=self._clock).read()
        else:
            known = yield from self._known(surface)
        if known.meta is None:
            raise NoLists(f"surface {surface}: nothing is published")
        if known.meta.key_id and self._user_key is None and not self._filed:
            raise NeedsKey(_needs_key(known.meta))
        return known.meta

    def versions(self, surface: str) -> Steps[list[Meta]]:
        """The versions that stand complete, oldest first."""
        (names,) = yield [("hkeys", contract.registry_key(surface))]
        if not names:
            return []
        stored = yield [("hgetall", contract.meta_key(surface, name)) for name in names]
        found = [Meta.read(fields) for fields in stored if fields]
        return sorted((meta for meta in found if meta.status == "ready"), key=lambda meta: meta.version)

    # which version

    def _choose(self, asked: Question, version: str | None, empty: str | None) -> Steps[tuple[Meta, Taking]]:
        current = yield from self._known(asked.surface, empty=empty)
        assert current.meta is not None  # only arms lack one
        meta, taking = current.meta, (None, None)
        experiment, arm = current.experiment, asked.arm
        if experiment is not None and arm is None and asked.user_id is not None:
            taking = (experiment.name, None)
            arm = contract.assign(experiment, self._filed_as(asked.user_id, current.meta))
        if arm is not None:
            of_arm = (yield from self._known(asked.surface, arm, empty=empty)).meta
            if of_arm is not None:
                meta, taking = of_arm, (experiment.name if experiment and arm in experiment.arms else None, arm)
        if version is not None and version != meta.version and contract.is_version(version):
            (fields,) = yield [("hgetall", contract.meta_key(asked.surface, version))]
            if fields:
                return Meta.read(fields), (None, None)
        return meta, taking

    def _known(self, surface: str, arm: str | None = None, *, empty: str | None = None) -> Steps[Known]:
        pointer = self._pointer(surface, arm)
        cached = pointer.cached
        gone = empty is not None and cached is not None and cached.meta is not None and cached.meta.version == empty
        if cached is not None and pointer.fresh and not gone:
            return cached
        known = yield from pointer.read(empty=empty)
        if known.meta is not None:  # any name may be asked for from outside; only those that exist are remembered
            self._pointers.setdefault((surface, arm), pointer)
        if self._memory is not None and arm is None and known.meta is not None and known.meta.segments:
            everybody = Level(EVERYBODY, (contract.segment_key(surface, known.meta.version, EVERYBODY),))
            with contextlib.suppress(RedisDown):
                yield from self._fetch(Question.of(None, 1, surface=surface), known.meta, everybody, 1)
        return known

    def _pointer(self, surface: str, arm: str | None) -> Pointer:
        found = self._pointers.get((surface, arm))
        return found or Pointer(
            surface, arm, max_age=self._pointer_seconds, clock=self._clock, told=self._watch.published
        )

    # whose list

    def _levels(self, asked: Question, meta: Meta) -> Iterator[Level]:
        surface, version = asked.surface, meta.version
        if asked.anchors and meta.items:
            name = "item" if asked.item is not None else "basket"
            yield Level(name, tuple(contract.item_key(surface, version, item) for item in asked.anchors))
        if asked.user_id is not None:
            user = self._filed_as(asked.user_id, meta)
            why = contract.why_key(surface, version, user) if asked.why else None
            yield Level("user", (contract.user_key(surface, version, user),), why)
        for segment in _fallbacks(asked, meta):
            yield Level(segment, (contract.segment_key(surface, version, segment),))

    def _filed_as(self, user_id: str, meta: Meta) -> str:
        if self._filed or not meta.key_id:
            return contract.canonical_id(user_id)
        if self._user_key is None:
            raise NeedsKey(_needs_key(meta))
        return contract.user_token(user_id, self._user_key)

    # its items

    def _fetch(self, asked: Question, meta: Meta, level: Level, size: int) -> Steps[list[Found]]:
        """As many as the page, what comes before it and what is left out may take; no list is longer than K."""
        remembered = self._memory is not None and (level.name == EVERYBODY or level.name in meta.segments)
        count = meta.k if remembered else min(asked.offset + size + len(asked.exclude), meta.k)
        commands: list[tuple[object, ...]] = [("lrange", key, 0, count - 1) for key in level.keys]
        if level.why_key is None:
            lists = yield commands
            items = lists[0] if len(lists) == 1 else _merged(lists)
            if remembered and items and self._memory is not None:
                self._memory.keep(asked.surface, level.name, meta, tuple(items))
            segment = asked.why and level.name not in ("user", "item", "basket")
            reason = Reason("popular", level.name) if segment else None
            return [(item, reason) for item in items]
        items, text = yield [*commands, ("get", level.why_key)]
        try:
            reasons = contract.decode_reasons(text or "")
        except contract.BadReason as error:
            log.warning("%s: %s; answering without reasons", level.why_key, error)
            reasons = []
        if len(reasons) < len(items):
            return [(item, None) for item in items]
        return list(zip(items, reasons, strict=False))

    def _remembered(self, asked: Question) -> Answer | None:
        """What the memory has for the visit: a segment's list, whoever's was asked for."""
        known = self._pointer(asked.surface, None).cached
        if self._memory is None or known is None or known.meta is None:
            return None
        for segment in _fallbacks(asked, known.meta):
            if found := self._memory.get(asked.surface, segment):
                reason = Reason("popular", segment) if asked.why else None
                kept = [(item, reason) for item in found.items if item not in asked.exclude]
                return self._reply(found.meta, asked, min(asked.k, found.meta.k), segment, kept, degraded=True)
        return None

    def _reply(
        self,
        meta: Meta | None,
        asked: Question,
        size: int,
        fallback: str = "none",
        found: Sequence[Found] = (),
        taking: Taking = (None, None),
        degraded: bool = False,
    ) -> Answer:
        page = found[asked.offset : asked.offset + size]
        items = tuple(item for item, _ in page)
        reasons = tuple(reason for _, reason in page if reason is not None)
        told = described(meta, self._now(), self._max_age)
        if degraded:
            told |= {"stale": True, "degraded": True}
        experiment, arm = taking
        return Answer(items, reasons, size, asked.k, fallback, asked.surface, **told, experiment=experiment, arm=arm)


def _fallbacks(asked: Question, meta: Meta) -> list[str]:
    """Segments to fall back to; none on a surface that has no segments, whose empty answer is the answer."""
    return contract.matching_segments(meta.segments, asked.context) if meta.segments else []


def _merged(lists: Sequence[Sequence[str]]) -> list[str]:
    """First all that stand first, then all that stand second, ...; each item once."""
    return list(dict.fromkeys(item for rank in zip_longest(*lists) for item in rank if item is not None))


def _needs_key(meta: Meta) -> str:
    return (
        f"the lists of version {meta.version} are filed under pseudonyms of key {meta.key_id!r}: "
        f"give user_key (USER_KEY or USER_KEY_FILE on the command line)"
    )
