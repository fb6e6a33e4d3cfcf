"""Lookup: `recommend` of the clients against a bare LRANGE of the same redis-py client, 50 connections at work.

Fifty tasks (or threads) ask without a pause, each on a connection of its own, so that a latency is mostly the waiting
for the other 49: the ratio of the latencies is that of the work a lookup costs, Python's and Redis' together.
"""

import asyncio
import gc
import random
import threading
import time
from collections.abc import Awaitable, Callable

import numpy as np
import redis.asyncio as aioredis
import uvloop

from infra.bench import shop
from infra.bench.figures import Figure, in_turns
from infra.embedded.redis_server import server
from storefront import contract
from storefront.aio import AsyncStorefront
from storefront.client import Storefront
from storefront.connection import connect

CONNECTIONS = 50
LOOKUPS = 20_000
K = 10
TIMEOUT = 0.5
BAR = 1.3
FLOOR = (
    "the LRANGE itself, as redis-py sends and reads it; on top come the question's check, the key, the answer with "
    "version and age, and the breaker"
)
Latencies = list[float]
Load = Callable[[], Latencies]
"""Seconds a lookup, of all lookups of a run."""


def measure(runs: int) -> list[Figure]:
    """Latencies of both clients, p50 and p99.

    The reference has what a shop would give redis-py: the same time-out and bound of connections. asyncio's client is
    also held against redis-py without either, which only tells what they cost.
    """
    with server() as url:
        shop.publish(url)

        def bounded() -> aioredis.ConnectionPool:
            bounds = {"max_connections": CONNECTIONS, "timeout": TIMEOUT, "socket_timeout": TIMEOUT}
            return aioredis.BlockingConnectionPool.from_url(url, decode_responses=True, **bounds)

        def unbounded() -> aioredis.ConnectionPool:
            return aioredis.ConnectionPool.from_url(url, decode_responses=True, socket_timeout=None)

        ours, sync_ours, sync_bare = _async_ours(url), *_threads(url)
        return [
            *_figures(
                "lookup, asyncio,", runs, ours, _async_bare(url, bounded), "LRANGE, same time-out and bound", BAR
            ),
            *_figures(
                "lookup, asyncio,", runs, ours, _async_bare(url, unbounded), "LRANGE, no time-out, no bound", None
            ),
            *_figures("lookup, threads,", runs, sync_ours, sync_bare, "LRANGE, same time-out and bound", BAR),
        ]


def _figures(name: str, runs: int, ours: Load, bare: Load, against: str, bar: float | None) -> list[Figure]:
    taken: dict[str, list[Latencies]] = {"ours": [], "bare": []}

    def kept(key: str, call: Load) -> Callable[[], float]:
        def run() -> float:
            gc.collect()
            gc.disable()  # its pauses would fall on the one or the other
            try:
                taken[key].append(call())
            finally:
                gc.enable()
            return taken[key][-1][-1]

        return run

    in_turns(runs, kept("ours", ours), kept("bare", bare))

    def at(key: str, percent: float) -> tuple[float, ...]:
        return tuple(float(np.percentile(run, percent)) * 1e6 for run in taken[key][1:])

    return [
        Figure(f"{name} p{p}", "µs", at("ours", p), at("bare", p), against, bar if p == 99 else None, True, FLOOR)
        for p in (50, 99)
    ]


async def _load(one: Callable[[str], Awaitable[object]]) -> Latencies:
    latencies: Latencies = []

    async def task(seed: int) -> None:
        draw = random.Random(seed)
        for _ in range(LOOKUPS // CONNECTIONS):
            user = draw.choice(shop.USERS)
            began = time.perf_counter()
            await one(user)
            latencies.append(time.perf_counter() - began)

    await one(shop.USERS[0])
    async with asyncio.TaskGroup() as group:
        for seed in range(CONNECTIONS):
            group.create_task(task(seed))
    return latencies


def _async_ours(url: str) -> Load:
    async def run() -> Latencies:
        async with AsyncStorefront(url, connections=CONNECTIONS, timeout=TIMEOUT) as client:
            return await _load(lambda user: client.recommend(user, K))

    return lambda: uvloop.run(run())


def _async_bare(url: str, make: Callable[[], aioredis.ConnectionPool]) -> Load:
    async def run() -> Latencies:
        version = Storefront(url).meta().version
        client = aioredis.Redis.from_pool(make())
        found = await _load(lambda user: client.lrange(contract.user_key("home", version, user), 0, K - 1))
        await client.aclose()
        return found

    return lambda: uvloop.run(run())


def _threads(url: str) -> tuple[Load, Load]:
    def load(one: Callable[[str], object]) -> Latencies:
        latencies: Latencies = []

        def thread(seed: int) -> None:
            draw = random.Random(seed)
            for _ in range(LOOKUPS // CONNECTIONS):
                user = draw.choice(shop.USERS)
                began = time.perf_counter()
                one(user)
                latencies.append(time.perf_counter() - began)

        one(shop.USERS[0])
        threads = [threading.Thread(target=thread, args=(seed,)) for seed in range(CONNECTIONS)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        return latencies

    def ours() -> Latencies:
        client = Storefront(url, connections=CONNECTIONS)
        found = load(lambda user: client.recommend(user, K))
        client.close()
        return found

    def bare() -> Latencies:
        version = Storefront(url).meta().version
        client = connect(url, connections=CONNECTIONS)
        found = load(lambda user: client.lrange(contract.user_key("home", version, user), 0, K - 1))
        client.close()
        return found

    return ours, bare
