"""The Python client for asyncio: the same questions and answers as `storefront.client`.

async with AsyncStorefront("redis://127.0.0.1:6379/0") as client:
    answer = await client.recommend("17850", k=10, context={"country": "GB"})
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Self, Unpack

from storefront import contract
from storefront.answer import Answer
from storefront.breaker import Breaker
from storefront.connection import connect_async
from storefront.contract import DEFAULT_SURFACE, Meta
from storefront.errors import RedisDown
from storefront.guard import FAILURES, Guard, failure_kind
from storefront.pointer import Command, Steps, T
from storefront.question import Options, Question
from storefront.reading import Reader
from storefront.watch import Watch


class AsyncStorefront:
    """Reads lists; for the tasks of one event loop, one pool of connections."""

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
        """The arguments are those of `storefront.client.Storefront`, but for two.

        Args:
            timeout: seconds to wait for Redis, all tries of a round trip and the wait for a free connection together.
            redis: a ready client of `redis.asyncio` with decoded answers, instead of `url`.
        """
        self._timeout, self._slots = timeout, asyncio.Semaphore(connections)
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
        self._redis = redis or connect_async(url, timeout=timeout, retries=retries, connections=connections)

    async def recommend(self, user_id: str | None, k: int = 10, **options: Unpack[Options]) -> Answer:
        """The shopper's items, with the options and errors of `Storefront.recommend`."""
        began = time.perf_counter()
        try:
            answer = await self._run(self._reader.answer(Question.of(user_id, k, **options)))
        except Exception as error:
            self._watch.failed(failure_kind(error), time.perf_counter() - began)
            raise
        self._watch.answered(answer, time.perf_counter() - began)
        return answer

    async def related(self, item_id: str, k: int = 10, **options: Unpack[Options]) -> Answer:
        """What goes well with an item (product page, cross-sell); everybody's list if the item has none."""
        return await self.recommend(None, k, **options, item=item_id)  # type: ignore[misc]

    async def meta(self, surface: str = DEFAULT_SURFACE) -> Meta:
        """What the current version says about itself."""
        return await self._run(self._reader.meta(surface))

    async def ready(self, surface: str = DEFAULT_SURFACE) -> Meta:
        """What `meta` says, asked of Redis now; raises what is missing, the pseudonyms' key too."""
        return await self._run(self._reader.ready(surface))

    async def versions(self, surface: str = DEFAULT_SURFACE) -> list[Meta]:
        """The versions that stand complete, oldest first; arms' versions among them."""
        return await self._run(self._reader.versions(surface))

    async def close(self) -> None:
        await self._redis.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run(self, steps: Steps[T]) -> T:
        try:
            commands = next(steps)
            while True:
                try:
                    replies = await self._ask(commands)
                except RedisDown as error:
                    commands = steps.throw(error)
                else:
                    commands = steps.send(replies)
        except StopIteration as done:
            return done.value

    async def _ask(self, commands: Sequence[Command]) -> list[Any]:
        self._guard.admit()
        try:
            async with asyncio.timeout(self._timeout), self._slots:
                if len(commands) == 1:
                    name, *arguments = commands[0]
                    replies = [await getattr(self._redis, name)(*arguments)]
                else:
                    pipeline = self._redis.pipeline(transaction=False)
                    for name, *arguments in commands:
                        getattr(pipeline, name)(*arguments)
                    replies = await pipeline.execute()
        except FAILURES as error:
            raise self._guard.failed(error) from error
        self._guard.breaker.succeeded()
        return replies
