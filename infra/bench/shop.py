"""A small published version, for the benches of lookups."""

import socket
from datetime import UTC, datetime

import redis

from storefront import contract

K = 50
USERS = [str(100_000 + number) for number in range(20_000)]


def publish(url: str) -> None:
    """Lists of `K` six-digit ids for all of `USERS`, and everybody's, as the surface `home`."""
    client = redis.Redis.from_url(url)
    version = contract.make_version(datetime.now(UTC))
    items = [str(200_000 + number) for number in range(K)]
    for start in range(0, len(USERS), 1000):
        pipeline = client.pipeline(transaction=False)
        for user in USERS[start : start + 1000]:
            pipeline.rpush(contract.user_key("home", version, user), *items)
        pipeline.execute()
    client.rpush(contract.segment_key("home", version, contract.EVERYBODY), *items)
    made = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    meta = contract.Meta(version, "", made, made[:10], K, len(USERS), 0, ("all",), "bench", "", "ready", "")
    client.hset(contract.meta_key("home", version), mapping=meta.fields())
    client.set(contract.current_key("home"), version)


def free_port() -> int:
    """A port on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
