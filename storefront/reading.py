"""What to read for a question, in which order, and what to answer: the logic that all clients share. No I/O."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import zip_longest

from storefront import contract
from storefront.answer import Answer
from storefront.contract import EVERYBODY, Meta, Reason
from storefront.errors import NeedsKey, RedisDown
from storefront.memory import Memory
from storefront.pointer import Known, Pointer, Steps
from storefront.question import Question
from storefront.watch import Watch

log = logging.getLogger("nightshelf.storefront")

Found = tuple[Sequence[str], Sequence[Reason]]
"""Items, and a reason an item where reasons are wanted and known, else none at all."""
Taking = tuple[str | None, str | None]
"""The experiment that a shopper takes part in, and the arm; None is the control, or no experiment."""
NOBODY: Taking = (None, None)
OWN = ("user", "item", "basket")
"""Levels that are no segment's."""
Level = tuple[str, tuple[str, ...], str | None]
"""Whose list, the keys of it (several are merged rank by rank), and the key of its reasons if they are wanted."""


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
        now: Callable[[], float] = time.time,
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
        surface, version, empty = asked.surface, asked.version, None
        if asked.k == 0:
            known = self._current(surface)
            return self._reply(known.meta if known else None, asked, 0)
        try:
            for _ in range(2):
                current = self._fresh(surface, None, empty) or (yield from self._read(surface, None, empty))
                assert current.meta is not None  # only arms lack one
                meta, taking = current.meta, NOBODY
                if current.experiment is not None or asked.arm is not None or version is not None:
                    meta, taking = yield from self._choose(asked, current, version, empty)
                if meta.version == empty:
                    break  # It still stands: it has nothing to show, as for a shopper with nothing due.
                size = min(asked.k, meta.k)
                if size == 0:
                    break  # lists for nobody
                for level in self._levels(asked, meta):
                    items, reasons = yield from self._fetch(asked, meta, level, size)
                    if asked.exclude:
                        items, reasons = _without(asked.exclude, items, reasons)
                    if items:
                        return self._reply(meta, asked, size, level[0], items, reasons, taking)
                version, empty = None, meta.version  # Removed under us? Then the pointer knows the next one.
            return self._reply(meta, asked, size, taking=taking)
        except RedisDown:
            if (answer := self._remembered(asked)) is None:
                raise
            return answer

    def meta(self, surface: str) -> Steps[Meta]:
        """What the current version says about itself."""
        known = self._fresh(surface, None, None) or (yield from self._read(surface, None, None))
        assert known.meta is not None
        return known.meta

    def ready(self, surface: str) -> Steps[Meta]:
        """The same, past the cache: whether a shopper could be answered now.

        Raises:
            NoLists, RedisDown, NeedsKey: what is missing.
        """
        known = yield from Pointer(surface, clock=self._clock).read()
        assert known.meta is not None
        if known.meta.key_id and self._user_key is None and not self._filed:
            raise NeedsKey(_needs_key(known.meta))
        return known.meta

    def versions(self, surface: str) -> Steps[list[Meta]]:
        """The versions that stand complete, oldest first."""
        (names,) = yield [("hgetall", contract.registry_key(surface))]  # readers may not use HKEYS
        if not names:
            return []
        stored = yield [("hgetall", contract.meta_key(surface, name)) for name in names]
        found = [Meta.read(fields) for fields in stored if fields]
        return sorted((meta for meta in found if meta.status == "ready"), key=lambda meta: meta.version)

    # which version

    def _choose(
        self, asked: Question, current: Known, version: str | None, empty: str | None
    ) -> Steps[tuple[Meta, Taking]]:
        assert current.meta is not None
        meta, taking, surface = current.meta, NOBODY, asked.surface
        experiment, arm = current.experiment, asked.arm
        if experiment is not None and arm is None and asked.user_id is not None:
            taking = (experiment.name, None)
            arm = contract.assign(experiment, self._filed_as(asked.user_id, meta))
        if arm is not None:
            own = self._fresh(surface, arm, empty) or (yield from self._read(surface, arm, empty))
            if own.meta is not None:
                meta, taking = own.meta, (experiment.name if experiment and arm in experiment.arms else None, arm)
        if version is not None and version != meta.version and contract.is_version(version):
            (fields,) = yield [("hgetall", contract.meta_key(surface, version))]
            with contextlib.suppress(contract.BadName):  # damaged is as good as gone, and so is what is not whole yet
                if fields and (pinned := Meta.read(fields)).status == "ready":
                    return pinned, NOBODY
        return meta, taking

    def _fresh(self, surface: str, arm: str | None, empty: str | None) -> Known | None:
        """What the pointer knows, if it need not be read: it is not due, and not of the version just found empty."""
        pointer = self._pointers.get((surface, arm))
        if pointer is None or self._clock() >= pointer.due:
            return None
        known = pointer.known
        gone = empty is not None and known is not None and known.meta is not None and known.meta.version == empty
        return None if gone else known

    def _read(self, surface: str, arm: str | None, empty: str | None) -> Steps[Known]:
        pointer = self._pointer(surface, arm)
        known = yield from pointer.read(empty=empty)
        if known.meta is not None or self._runs(surface, arm):
            self._pointers.setdefault((surface, arm), pointer)
        if self._memory is not None and arm is None and known.meta is not None and known.meta.segments:
            everybody = (EVERYBODY, (contract.segment_key(surface, known.meta.version, EVERYBODY),), None)
            with contextlib.suppress(RedisDown):
                yield from self._fetch(Question.of(None, 1, surface), known.meta, everybody, 1)
        return known

    def _runs(self, surface: str, arm: str | None) -> bool:
        """Whether the arm is one of the experiment's. Any other may be asked for from outside, to fill the memory."""
        known = self._current(surface)
        return known is not None and known.experiment is not None and arm in known.experiment.arms

    def _current(self, surface: str) -> Known | None:
        """What is known of the surface, however old."""
        pointer = self._pointers.get((surface, None))
        return pointer.known if pointer is not None else None

    def _pointer(self, surface: str, arm: str | None) -> Pointer:
        found = self._pointers.get((surface, arm))
        return found or Pointer(
            surface, arm, max_age=self._pointer_seconds, clock=self._clock, told=self._watch.published
        )

    # whose list

    def _levels(self, asked: Question, meta: Meta) -> Iterator[Level]:
        surface, version = asked.surface, meta.version
        if meta.items and (asked.item is not None or asked.basket):
            name = "item" if asked.item is not None else "basket"
            yield name, tuple(contract.item_key(surface, version, item) for item in asked.anchors), None
        if asked.user_id is not None:
            user = self._filed_as(asked.user_id, meta)
            why = contract.why_key(surface, version, user) if asked.why else None
            yield "user", (contract.user_key(surface, version, user),), why
        for segment in _fallbacks(asked, meta):
            yield segment, (contract.segment_key(surface, version, segment),), None

    def _filed_as(self, user_id: str, meta: Meta) -> str:
        if self._filed or not meta.key_id:
            return user_id
        if self._user_key is None:
            raise NeedsKey(_needs_key(meta))
        return contract.user_token(user_id, self._user_key)

    # its items

    def _fetch(self, asked: Question, meta: Meta, level: Level, size: int) -> Steps[Found]:
        """As many as the page, what comes before it and what is left out may take; no list is longer than K."""
        name, keys, why_key = level
        of_segment = name not in OWN
        remembered = of_segment and self._memory is not None and self._serves(asked.surface, meta)
        last = (meta.k if remembered else min(asked.offset + size + len(asked.exclude), meta.k)) - 1
        commands: list[tuple[object, ...]] = [("lrange", key, 0, last) for key in keys]
        if why_key is not None:
            items, text = yield [*commands, ("get", why_key)]
            return items, _reasons(why_key, text or "", len(items))
        lists = yield commands
        items = lists[0] if len(lists) == 1 else _merged(lists)
        if remembered and items and self._memory is not None:
            self._memory.keep(asked.surface, name, meta, tuple(items))
        return items, [Reason("popular", name)] * len(items) if asked.why and of_segment else ()

    def _serves(self, surface: str, meta: Meta) -> bool:
        """Whether it is everybody's version: neither an arm's nor one that somebody stays in."""
        known = self._current(surface)
        return known is not None and known.meta is not None and known.meta.version == meta.version

    def _remembered(self, asked: Question) -> Answer | None:
        """What the memory has for the visit: a segment's list, whoever's was asked for."""
        known = self._current(asked.surface)
        if self._memory is None or known is None or known.meta is None:
            return None
        for segment in _fallbacks(asked, known.meta):
            if found := self._memory.get(asked.surface, segment):
                reasons = [Reason("popular", segment)] * len(found.items) if asked.why else ()
                kept = _without(asked.exclude, found.items, reasons)
                return self._reply(found.meta, asked, min(asked.k, found.meta.k), segment, *kept, degraded=True)
        return None

    def _reply(
        self,
        meta: Meta | None,
        asked: Question,
        size: int,
        fallback: str = "none",
        items: Sequence[str] = (),
        reasons: Sequence[Reason] = (),
        taking: Taking = NOBODY,
        degraded: bool = False,
    ) -> Answer:
        end = asked.offset + size
        page, why = tuple(items[asked.offset : end]), tuple(reasons[asked.offset : end]) if reasons else ()
        if meta is None:
            return Answer(page, why, size, asked.k, fallback, asked.surface)
        age = max(0.0, self._now() - _seconds(meta.generated_at))
        stale = degraded or (self._max_age is not None and age > self._max_age)
        lists = (meta.version, meta.data_through, meta.generated_at, meta.bundle, age, stale, degraded)
        return Answer(page, why, size, asked.k, fallback, asked.surface, *lists, *taking)


@lru_cache(64)
def _seconds(generated_at: str) -> float:
    return datetime.fromisoformat(generated_at).timestamp()


def _fallbacks(asked: Question, meta: Meta) -> list[str]:
    """Segments to fall back to; none on a surface that has no segments, whose empty answer is the answer."""
    return contract.matching_segments(meta.segments, asked.context) if meta.segments else []


def _without(hidden: frozenset[str], items: Sequence[str], reasons: Sequence[Reason]) -> Found:
    if not reasons:
        return [item for item in items if item not in hidden], ()
    kept = [pair for pair in zip(items, reasons, strict=True) if pair[0] not in hidden]
    return [item for item, _ in kept], [reason for _, reason in kept]


def _merged(lists: Sequence[Sequence[str]]) -> list[str]:
    """First all that stand first, then all that stand second, ...; each item once."""
    return list(dict.fromkeys(item for rank in zip_longest(*lists) for item in rank if item is not None))


def _reasons(key: str, text: str, count: int) -> Sequence[Reason]:
    try:
        reasons = contract.decode_reasons(text)
    except contract.BadReason as error:
        log.warning("%s: %s; answering without reasons", key, error)
        return ()
    return reasons[:count] if len(reasons) >= count else ()


def _needs_key(meta: Meta) -> str:
    return (
        f"the lists of version {meta.version} are filed under pseudonyms of key {meta.key_id!r}: "
        f"give user_key (USER_KEY or USER_KEY_FILE on the command line)"
    )
