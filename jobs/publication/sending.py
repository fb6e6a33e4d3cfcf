"""Packed commands over redis-py's own connections: TLS, ACL and the slots of a cluster stay its business."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import hiredis
import numpy as np
from redis.exceptions import AskError, MovedError, ResponseError, TryAgainError

from jobs.publication.encoding import OK, Commands

Route = tuple[Any, Commands]
"""A client of one node, and the commands that are its own."""

ELSEWHERE = (MovedError, AskError, TryAgainError)
"""A cluster that is moving slots did not run the command."""


class Refused(Exception):
    """Redis answered a command with an error: full, read-only, not permitted, ..."""


class Unexpected(Exception):
    """A list has another length than it should."""


class Sender:
    """Sends commands and holds every reply against what it should be; safe to share between threads."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis
        self._cluster = hasattr(redis, "get_primaries")

    def send(self, batch: Sequence[Commands]) -> None:
        """Run commands; all that go to a node are on their way before the first reply is read.

        Raises:
            Refused, Unexpected: see there. Replies that were not read are given up with the connection.
            redis.exceptions.ConnectionError, redis.exceptions.TimeoutError: the connection was lost on the way.
        """
        routes = [route for commands in batch for route in self._routes(commands)]
        strays: list[Commands] = []
        with ExitStack() as open_now:
            connections: dict[int, Any] = {}
            for node, _ in routes:
                if id(node) not in connections:
                    connections[id(node)] = open_now.enter_context(_connection(node))
            for node, commands in routes:
                connections[id(node)].send_packed_command([commands.wire()])
            for node, commands in routes:
                strays.append(_read(connections[id(node)], commands))
        for commands in strays:
            self._one_by_one(commands)

    def drop(self, keys: Sequence[str]) -> None:
        """Remove what a lost connection may have left, since RPUSH twice doubles a list."""
        if self._cluster:
            self._redis.nodes_manager.initialize()
        pipeline = self._redis.pipeline(transaction=False)
        for key in keys:
            pipeline.execute_command("UNLINK", key)
        pipeline.execute()

    def _one_by_one(self, commands: Commands) -> None:
        """Commands that a moving cluster sent elsewhere: redis-py follows it."""
        replies = [self._redis.execute_command(*_unpacked(packed)) for packed in commands.packed.to_pylist()]
        _hold(commands, [OK if reply is True else reply for reply in replies])

    def _routes(self, commands: Commands) -> Iterator[Route]:
        if not self._cluster:
            yield self._redis, commands
            return
        at: dict[Any, list[int]] = defaultdict(list)
        for number, key in enumerate(commands.keys.to_pylist()):
            at[self._redis.get_node_from_key(key)].append(number)
        for node, numbers in at.items():
            yield self._redis.get_redis_connection(node), commands.take(numbers)


@contextmanager
def _connection(node: Any) -> Iterator[Any]:
    """A connection of the node's pool, closed if replies may be left in it."""
    pool = node.connection_pool
    connection = pool.get_connection()
    try:
        yield connection
    except BaseException:
        connection.disconnect()
        raise
    finally:
        pool.release(connection)


def _read(connection: Any, commands: Commands) -> Commands:
    """Read the replies; the commands that belong to another node by now are returned."""
    replies: list[int] = []
    strays = []
    for number in range(len(commands)):
        try:
            reply = connection.read_response()
        except ELSEWHERE:
            strays.append(number)
            reply = int(commands.replies[number])
        except ResponseError as error:
            raise Refused(str(error)) from error
        replies.append(OK if reply == "OK" else reply)
    _hold(commands, replies)
    return commands.take(strays)


def _hold(commands: Commands, replies: Sequence[int]) -> None:
    """Hold replies against what they should be."""
    found = np.array(replies, np.int64)
    if not np.array_equal(found, commands.replies):
        number = int(np.flatnonzero(found != commands.replies)[0])
        key = commands.keys[number].as_py().decode(errors="replace")
        raise Unexpected(f"{key} has {found[number]} items in Redis, expected {commands.replies[number]}")


def _unpacked(packed: bytes) -> list[str]:
    reader = hiredis.Reader(encoding="utf-8")
    reader.feed(packed)
    command: list[str] = reader.gets()
    return command
