"""Ports: wanted, taken, all taken."""

import socket
from collections.abc import Iterator

import pytest

from infra.embedded import ports
from lake.errors import Unavailable


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_taken_port_gives_the_next_free_one_and_is_told(taken: int) -> None:
    told: list[str] = []
    chosen = ports.choose({"redis": taken}, told.append)
    assert chosen["redis"] > taken
    assert ports.is_free(chosen["redis"])
    assert f"port {taken} is taken" in told[0]
    assert "REDIS_PORT" in told[0]


def test_two_names_never_share_a_port(taken: int) -> None:
    chosen = ports.choose({"redis": taken, "mlflow": taken}, lambda _: None)
    assert len(set(chosen.values())) == 2


def test_no_free_port_says_what_to_set(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "TRIES", 1)
    with pytest.raises(Unavailable, match="Set REDIS_PORT"):
        ports.choose({"redis": taken}, lambda _: None)
