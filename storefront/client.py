"""The Python client: one LRANGE an answer, with fallbacks, version, age and reasons.

client = Storefront("redis://127.0.0.1:6379/0")
answer = client.recommend("17850", k=10, context={"country": "GB"})
answer.items, answer.fallback, answer.age_seconds
"""

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from redis.exceptions import RedisError

from storefront import contract
from storefront.answer import Answer, described
from storefront.connection import connect, where
from storefront.contract import DEFAULT_SURFACE, Meta, Reason
from storefront.pointer import NoLists, Pointer, RedisDown, StorefrontError

log = logging.getLogger("nightshelf.storefront")

__all__ = ["Answer", "NeedsKey", "NoLists", "RedisDown", "Storefront", "StorefrontError"]

Found = tuple[str, Reason | None]
Level = tuple[str, str, str | None]
"""Whose list, its key, and the key of its reasons if they are wanted."""


class NeedsKey(StorefrontError):
    """The lists are filed under pseudonyms and the client was given no key."""


class Storefront:
    """Reads lists; thread-safe, one pool of connections."""

    def __init__(
        self,
        url: str = "redis://127.0.0.1:6379/0",
        *,
        user_key: bytes | None = None,
        max_age_seconds: float | None = None,
        timeout: float = 0.5,
        retries: int = 2,
        connections: int = 50,
        pointer_seconds: float = contract.POINTER_SECONDS,
        redis: Any = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """
        Args:
            url: see `storefront.connection.connect`.
            user_key: secret of the pseudonyms, needed where the lists' meta names a `key_id`.
            max_age_seconds: answers from older lists say `stale`; None never does.
            timeout: seconds to wait for Redis, each try.
            retries: tries after the first.
            pointer_seconds: how long `current` is cached; the contract's upper bound is 30.
            redis: a ready client with decoded answers, instead of `url`.
        """
        self._url, self._user_key, self._max_age = url, user_key, max_age_seconds
        self._redis = redis if redis is not None else _connected(url, timeout, retries, connections)
        self._pointer_seconds = min(pointer_seconds, contract.POINTER_SECONDS)
        self._clock, self._now = clock, now
        self._pointers: dict[tuple[str, str | None], Pointer] = {}

    def recommend(
        self,
        user_id: str | None,
        k: int = 10,
        *,
        surface: str = DEFAULT_SURFACE,
        context: Mapping[str, str | None] | None = None,
        exclude: Collection[str] = (),
        offset: int = 0,
        version: str | None = None,
        arm: str | None = None,
        why: bool = False,
    ) -> Answer:
        """The shopper's items, else those of the segments that match, else those of everybody.

        A surface without segments (time to buy again) answers a shopper without a list with nothing.

        Args:
            user_id: the shop's id; None for an anonymous visitor.
            k: how many; 0 answers without a call to Redis, more than K gives K.
            context: what is known of the visit, for example `{"country": "GB", "device": "mobile"}`.
            exclude: items not to show (in the basket, on the page); as many more are fetched.
            offset: how many to skip after the exclusion: the next page.
            version: stay in this version; the current one if it is gone.
            arm: experiment arm; the current version if the arm has none.
            why: fetch the reasons too, in the same round trip.

        Raises:
            ValueError: k or offset negative or no number, a bad id, surface or arm.
            NoLists, RedisDown, NeedsKey: see there.
        """
        context = context or {}

        def levels(meta: Meta) -> list[Level]:
            chain: list[Level] = []
            if user_id is not None:
                name = self._filed_as(user_id, meta)
                key = contract.user_key(surface, meta.version, name)
                chain.append(("user", key, contract.why_key(surface, meta.version, name) if why else None))
            for segment in _fallbacks(meta, context):
                chain.append((segment, contract.segment_key(surface, meta.version, segment), None))
            return chain

        return self._answer(surface, arm, version, k, offset, exclude, levels, why)

    def related(
        self,
        item_id: str,
        k: int = 10,
        *,
        surface: str = DEFAULT_SURFACE,
        exclude: Collection[str] = (),
        offset: int = 0,
        version: str | None = None,
    ) -> Answer:
        """What goes well with an item (product page, cross-sell); everybody's list if the item has none."""
        item = contract.canonical_id(item_id)

        def levels(meta: Meta) -> list[Level]:
            chain: list[Level] = [("item", contract.item_key(surface, meta.version, item), None)]
            for segment in _fallbacks(meta, {}):
                chain.append((segment, contract.segment_key(surface, meta.version, segment), None))
            return chain

        return self._answer(surface, None, version, k, offset, {*exclude, item}, levels, False)

    def meta(self, surface: str = DEFAULT_SURFACE) -> Meta:
        """What the current version says about itself."""
        return self._pointer(surface, None).meta()

    def close(self) -> None:
        self._redis.close()

    def _answer(
        self,
        surface: str,
        arm: str | None,
        version: str | None,
        k: int,
        offset: int,
        exclude: Collection[str],
        levels: Callable[[Meta], list[Level]],
        why: bool,
    ) -> Answer:
        _counted("k", k)
        _counted("offset", offset)
        pointer = self._pointer(surface, arm)
        if k == 0:
            return self._reply(pointer.cached, surface, 0, 0)
        asked = ""
        try:
            for attempt in range(2):
                meta = self._meta(pointer, surface, arm, version, refresh=attempt > 0)
                if meta.version == asked:
                    break  # It still stands: it has nothing to show, as for a shopper with nothing due.
                asked = meta.version
                size = min(k, meta.k)
                for level, key, why_key in levels(meta):
                    found = self._fetch(key, why_key, offset + size + len(exclude))
                    kept = [pair for pair in found if pair[0] not in exclude]
                    if kept:
                        page = kept[offset : offset + size]
                        if why and level != "user":
                            page = [(item, Reason("popular", level)) for item, _ in page]
                        return self._reply(meta, surface, size, k, level, page)
                version = None  # Nothing at all: the version was removed under us. The pointer knows the next one.
            return self._reply(meta, surface, size, k)
        except RedisError as error:
            raise RedisDown(f"Redis at {where(self._url)} does not answer: {error}. Is it running?") from error

    def _meta(self, pointer: Pointer, surface: str, arm: str | None, version: str | None, *, refresh: bool) -> Meta:
        if version is not None:
            stays = pointer.of(version)
            if stays is not None:
                return stays
        try:
            return pointer.meta(refresh=refresh)
        except NoLists:
            if arm is None:
                raise
            return self._pointer(surface, None).meta(refresh=refresh)

    def _fetch(self, key: str, why_key: str | None, count: int) -> list[Found]:
        if why_key is None:
            return [(item, None) for item in self._redis.lrange(key, 0, count - 1)]
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.lrange(key, 0, count - 1)
        pipeline.get(why_key)
        items, text = pipeline.execute()
        try:
            reasons = contract.decode_reasons(text or "")
        except contract.BadReason as error:
            log.warning("%s: %s; answering without reasons", why_key, error)
            reasons = []
        if len(reasons) < len(items):
            return [(item, None) for item in items]
        return list(zip(items, reasons, strict=False))

    def _filed_as(self, user_id: str, meta: Meta) -> str:
        if not meta.key_id:
            return contract.canonical_id(user_id)
        if self._user_key is None:
            raise NeedsKey(
                f"the lists of version {meta.version} are filed under pseudonyms of key {meta.key_id!r}: "
                f"give user_key (USER_KEY or USER_KEY_FILE on the command line)"
            )
        return contract.user_token(user_id, self._user_key)

    def _pointer(self, surface: str, arm: str | None) -> Pointer:
        pointer = self._pointers.get((surface, arm))
        if pointer is None:
            pointer = Pointer(self._redis, surface, arm, max_age=self._pointer_seconds, clock=self._clock)
            pointer = self._pointers.setdefault((surface, arm), pointer)
        return pointer

    def _reply(
        self, meta: Meta | None, surface: str, k: int, k_asked: int, fallback: str = "none", page: Sequence[Found] = ()
    ) -> Answer:
        items = tuple(item for item, _ in page)
        reasons = tuple(reason for _, reason in page if reason is not None)
        return Answer(items, reasons, k, k_asked, fallback, surface, **described(meta, self._now(), self._max_age))


def _connected(url: str, timeout: float, retries: int, connections: int) -> Any:
    try:
        return connect(url, timeout=timeout, retries=retries, connections=connections)
    except RedisError as error:
        raise RedisDown(f"Redis at {where(url)} does not answer: {error}. Is it running?") from error


def _fallbacks(meta: Meta, context: Mapping[str, str | None]) -> list[str]:
    """Segments to fall back to; none on a surface that has no segments, whose empty answer is the answer."""
    return contract.matching_segments(meta.segments, context) if meta.segments else []


def _counted(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name}={value!r} must be a whole number, 0 or more")
