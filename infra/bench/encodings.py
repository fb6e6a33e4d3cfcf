"""What a shopper's list takes in Redis, by the encoding: ours, and those that were not chosen."""

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import redis

from infra.bench.figures import Figure
from infra.bench.lists_lake import K
from storefront import contract
from storefront.contract import Reason

USERS = 5_000
BATCH = 500
VERSION = "20261122T000000Z-000000"
Command = tuple[Any, ...]
Encoding = Callable[[str, list[str], list[Reason]], Iterable[Command]]
"""A shopper, the items and the reasons -> commands."""


def _ours(user: str, items: list[str], why: list[Reason]) -> Iterable[Command]:
    yield "RPUSH", contract.user_key("home", VERSION, user), *items


def _ours_with_reasons(user: str, items: list[str], why: list[Reason]) -> Iterable[Command]:
    yield from _ours(user, items, why)
    yield "SET", contract.why_key("home", VERSION, user), contract.encode_reasons(why)


def _plain(user: str, items: list[str], why: list[Reason]) -> Iterable[Command]:
    yield "RPUSH", user, *items


def _inline(user: str, items: list[str], why: list[Reason]) -> Iterable[Command]:
    yield "RPUSH", user, *(f"{item}\t{contract.encode_reasons([w])}" for item, w in zip(items, why, strict=True))


def _json(user: str, items: list[str], why: list[Reason]) -> Iterable[Command]:
    yield "SET", user, json.dumps(items, separators=(",", ":"))


def _packed(user: str, items: list[str], why: list[Reason]) -> Iterable[Command]:
    yield "SET", user, np.array(items, np.uint32).tobytes()


def _sorted_set(user: str, items: list[str], why: list[Reason]) -> Iterable[Command]:
    yield "ZADD", user, *(part for rank, item in enumerate(items) for part in (rank, item))


def _hash_an_item(user: str, items: list[str], why: list[Reason]) -> Iterable[Command]:
    for rank, (item, reason) in enumerate(zip(items, why, strict=True)):
        yield "HSET", f"{user}:{rank}", "item", item, "score", 0.5, "reason", contract.encode_reasons([reason])


PLAIN = "plain LISTs"
OTHERS: dict[str, Encoding] = {
    "LIST and reasons (ours, all of it)": _ours_with_reasons,
    "LIST, reasons inline": _inline,
    "JSON string of ids": _json,
    "packed 32-bit numbers": _packed,
    "sorted set": _sorted_set,
    "hash an item": _hash_an_item,
}


def measure(url: str) -> list[Figure]:
    """Bytes a shopper against plain LISTs of the same ids, filed under the bare pseudonym. The server is emptied."""
    client = redis.Redis.from_url(url)
    plain = _bytes(client, _plain)
    ours = Figure(
        "Redis memory: LISTs (ours)", "B/user", (_bytes(client, _ours),), (plain,), PLAIN, 1.2, most=True,
        floor="the key names surface and version, the rest is Redis's own",
    )  # fmt: skip
    others = [
        Figure(f"Redis memory: {name}", "B/user", (_bytes(client, encoding),), (plain,), PLAIN, most=True)
        for name, encoding in OTHERS.items()
    ]
    return [ours, *others]


def _bytes(client: Any, encoding: Encoding) -> float:
    """What the server holds more after `USERS` shoppers than before, each."""
    client.flushall()
    before, random = int(client.info("memory")["used_memory"]), np.random.default_rng(5)
    for start in range(0, USERS, BATCH):
        pipeline = client.pipeline(transaction=False)
        for number in range(start, start + BATCH):
            user = hashlib.sha256(str(number).encode()).hexdigest()
            items, values = random.choice(np.arange(100_000, 1_000_000), (2, K)).astype(str).tolist()
            for command in encoding(user, items, [Reason("co", value) for value in values]):
                pipeline.execute_command(*command)
        pipeline.execute()
    return (int(client.info("memory")["used_memory"]) - before) / USERS
