"""The application in this process, over a real Redis."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import redis as redis_py
from starlette.testclient import TestClient

from storefront.service.app import create_app
from storefront.service.settings import ServiceSettings

Serve = Callable[..., TestClient]


@pytest.fixture
def redis(redis_url: str) -> Iterator[Any]:
    client = redis_py.Redis.from_url(redis_url, decode_responses=True)
    yield client
    client.close()


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REDIS_URL", "USER_KEY", "USER_KEY_FILE", "MAX_AGE_SECONDS", "STOREFRONT_EXTENSIONS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _no_collection_at_each_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service collects once before it serves; what a process of tests holds would make a second of each start."""
    monkeypatch.setattr("storefront.service.app.gc.collect", lambda: 0)


@pytest.fixture
def serve(redis_url: str) -> Iterator[Serve]:
    """Starts applications by their settings; stopped at the end."""
    with ExitStack() as running:

        def start(**settings: Any) -> TestClient:
            app = create_app(ServiceSettings(**({"redis_url": redis_url} | settings)))
            return running.enter_context(TestClient(app, raise_server_exceptions=False))

        yield start


@pytest.fixture
def client(serve: Serve) -> TestClient:
    return serve()
