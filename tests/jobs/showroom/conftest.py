"""The shop of two days, opened once: its lake, its lists in a Redis of their own database, and the service."""

from collections.abc import Iterator

import pytest

from lake.settings import Settings
from tests.conftest import free_port
from tests.jobs.showroom.shop import opened, served


@pytest.fixture(scope="module")
def shop(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    import redis

    redis.Redis.from_url(redis_server).flushall()
    with pytest.MonkeyPatch.context() as patch:
        yield opened(tmp_path_factory.mktemp("showroom"), redis_server, patch)


@pytest.fixture(scope="module")
def address(shop: Settings) -> Iterator[str]:
    with served(shop, free_port()) as address:
        yield f"{address}/shop"
