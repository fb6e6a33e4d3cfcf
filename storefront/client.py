"""The Python client: one LRANGE an answer, with fallbacks, version, age and reasons.

client = Storefront("redis://127.0.0.1:6379/0")
answer = client.recommend("17850", k=10, context={"country": "GB"})
answer.items, answer.fallback, answer.age_seconds

`storefront.aio` is the same for asyncio.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Unpack

from storefront import contract
from storefront.answer import Answer
from storefront.breaker import Breaker
from storefront.connection import connect
from storefront.contract import DEFAULT_SURFACE, Meta
from storefront.errors import NeedsKey, NoLists, RedisDown, StorefrontError, UnknownSurface
from storefront.guard import FAILURES, Guard, failure_kind
from storefront.pointer import Command, Steps, T
from storefront.question import Options, Question
from storefront.reading import Reader
from storefront.watch import Watch

__all__ = ["Answer", "NeedsKey", "NoLists", "RedisDown", "Storefront", "StorefrontError", "UnknownSurface"]


class Storefront:
    """Reads lists; thread-safe, one pool of connections."""

    def __init__(
        self,
        url: str = "redis://127.0.0.1:6379/0",
        *,
        user_key: bytes | None = None,
        filed: bool = False,
        max_age_seconds: float | None = None,
        timeout: float = 0.5,
        retries: int = 2,
        connections: int = 50,
        pointer_seconds: float = contract.POINTER_SECONDS,
        keep_segments: int = 0,
        breaker: Breaker | None = None,
        watch: Watch | None = None,
        redis: Any = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        """
        Args:
            url: see `storefront.connection.connect`.
            user_key: secret of the pseudonyms, needed where the lists' meta names a `key_id`.
            filed: the user ids that will be asked for are what stands in the keys: tokens where pseudonyms are on.
            max_age_seconds: answers from older lists say `stale`; None never does.
            timeout: seconds to wait for Redis, each try.
            retries: tries after the first.
            connections: at most; who finds none free waits up to `timeout` for one.
            pointer_seconds: how long `current` is cached; the contract's upper bound is 30.
            keep_segments: how many segments' lists are remembered, to be shown while Redis is away; 0 none.
            breaker: when to stop asking a Redis that is away; the default stops for 2 s after 5 failures in a row.
            watch: is told of answers, failures and the breaker.
            redis: a ready client with decoded answers, instead of `url`.
        """
        self._guard = Guard(url, breaker, watch)
        self._reader = Reader(
            user_key=user_key,
            filed=filed,
            max_age_seconds=max_age_seconds,
            pointer_seconds=pointer_seconds,
            keep_segments=keep_segments,
            watch=watch,
            clock=clock,
            now=now,
        )
        self._watch = watch or Watch()
        try:
            self._redis = redis or connect(url, timeout=timeout, retries=retries, connections=connections)
        except FAILURES as error:
            raise self._guard.failed(error) from error

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
        item: str | None = None,
        basket: Collection[str] = (),
        why: bool = False,
    ) -> Answer:
        """The shopper's items, else those of the segments that match, else those of everybody.

        A surface without segments (time to buy again) answers a shopper without a list with nothing. Where an
        experiment runs, a known shopper gets the lists of the own arm.

        Args:
            user_id: the shop's id; None for an anonymous visitor.
            k: how many; 0 answers without a call to Redis, more than K gives K.
            context: what is known of the visit, for example `{"country": "GB", "device": "mobile"}`.
            exclude: items not to show; as many more are fetched.
            offset: how many to skip after the exclusion: the next page.
            version: stay in this version; the current one if it is gone.
            arm: read this experiment arm's lists; the current version if the arm has none.
            item: the item of the page, whose own list comes first where the surface has lists of items; never shown.
            basket: the same for the items of a basket: the lists of the first 20 are merged rank by rank.
            why: fetch the reasons too, in the same round trip.

        Raises:
            ValueError: k or offset negative or no number, a bad id, surface or arm, both item and basket.
            NoLists, RedisDown, NeedsKey: see there.
        """
        began = time.perf_counter()
        try:
            asked = Question.of(
                user_id,
                k,
                surface=surface,
                context=context,
                exclude=exclude,
                offset=offset,
                version=version,
                arm=arm,
                item=item,
                basket=basket,
                why=why,
            )
            answer = self._run(self._reader.answer(asked))
        except Exception as error:
            self._watch.failed(failure_kind(error), time.perf_counter() - began)
            raise
        self._watch.answered(answer, time.perf_counter() - began)
        return answer

    def related(self, item_id: str, k: int = 10, **options: Unpack[Options]) -> Answer:
        """What goes well with an item (product page, cross-sell); everybody's list if the item has none."""
        return self.recommend(None, k, **options, item=item_id)  # type: ignore[misc]

    def meta(self, surface: str = DEFAULT_SURFACE) -> Meta:
        """What the current version says about itself."""
        return self._run(self._reader.meta(surface))

    def versions(self, surface: str = DEFAULT_SURFACE) -> list[Meta]:
        """The versions that stand complete, oldest first; arms' versions among them."""
        return self._run(self._reader.versions(surface))

    def close(self) -> None:
        self._redis.close()

    def _run(self, steps: Steps[T]) -> T:
        try:
            commands = next(steps)
            while True:
                try:
                    replies = self._ask(commands)
                except RedisDown as error:
                    commands = steps.throw(error)
                else:
                    commands = steps.send(replies)
        except StopIteration as done:
            return done.value

    def _ask(self, commands: Sequence[Command]) -> list[Any]:
        self._guard.admit()
        try:
            if len(commands) == 1:
                name, *arguments = commands[0]
                replies = [getattr(self._redis, name)(*arguments)]
            else:
                pipeline = self._redis.pipeline(transaction=False)
                for name, *arguments in commands:
                    getattr(pipeline, name)(*arguments)
                replies = pipeline.execute()
        except FAILURES as error:
            raise self._guard.failed(error) from error
        self._guard.breaker.succeeded()
        return replies
