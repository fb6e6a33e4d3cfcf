"""Ports: the wanted one if it is free, else the next free one, and a line that says so."""

import socket
from collections.abc import Callable, Mapping

from lake.errors import Unavailable

TRIES = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on a loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def choose(wanted: Mapping[str, int], say: Callable[[str], None]) -> dict[str, int]:
    """A free port for each name, none twice.

    Args:
        wanted: name to the port that would be best.
        say: told about every port that had to differ.

    Raises:
        Unavailable: no port is free among the 200 after a wanted one.
    """
    chosen: dict[str, int] = {}
    for name, first in wanted.items():
        candidates = range(first, min(first + TRIES, 65536))
        port = next((p for p in candidates if p not in chosen.values() and is_free(p)), None)
        if port is None:
            raise Unavailable(
                f"{name}: no free port among {first}..{first + TRIES - 1}. "
                f"Set {name.upper()}_PORT to a free one, or stop what listens there."
            )
        if port != first:
            say(f"port {first} is taken: {name} listens on {port} ({name.upper()}_PORT chooses another)")
        chosen[name] = port
    return chosen
