"""The same publication on a Redis Cluster: a node in cluster mode refuses whatever takes two keys of two slots."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis as redis_py

from jobs.publication.versions import Versions
from jobs.publish import publish
from jobs.rollback import rollback
from lake.settings import Settings
from storefront.aio import AsyncStorefront
from storefront.client import Storefront
from storefront.connection import connect
from tests.conftest import free_port
from tests.jobs import planted_lists

pytestmark = pytest.mark.integration


@pytest.fixture
def cluster_url(tmp_path: Path) -> Iterator[str]:
    binary = next(path for name in ("redis-server", "valkey-server") if (path := shutil.which(name)))
    port = free_port() % 40_000 + 10_000  # the cluster bus takes this port plus 10000
    arguments = ["--port", str(port), "--cluster-enabled", "yes", "--save", "", "--dir", str(tmp_path)]
    process = subprocess.Popen([binary, *arguments], stdout=subprocess.DEVNULL)
    node = redis_py.Redis(port=port, decode_responses=True)
    try:
        for _ in range(100):
            try:
                node.ping()
                break
            except redis_py.ConnectionError:
                time.sleep(0.05)
        node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        while "cluster_state:ok" not in str(node.execute_command("CLUSTER", "INFO")).replace("': '", ":"):
            time.sleep(0.05)
        yield f"redis+cluster://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


async def _by_asyncio(url: str) -> tuple[str, ...]:
    async with AsyncStorefront(url) as shop:
        return (await shop.recommend("u7", 1, why=True)).items


def test_publish_read_roll_back_and_sweep(tmp_settings: Settings, cluster_url: str) -> None:
    house = tmp_settings.model_copy(update={"redis_url": cluster_url, "version_grace_seconds": 0})
    users = [f"u{n}" for n in range(300)]
    for day in (1, 2, 3):
        planted_lists.write(house, planted_lists.rows(f"e{day}", f"2026-11-{day:02}", users))
        publish(house, f"2026-11-{day:02}")
    shop = Storefront(cluster_url, pointer_seconds=0)
    assert shop.recommend("u7", 1, why=True).items == ("e3/u7/1",)
    assert asyncio.run(_by_asyncio(cluster_url)) == shop.recommend("u7", 1, why=True).items
    assert shop.recommend("stranger", 1, context={"country": "GB"}).fallback == "country=GB"
    assert len(Versions(connect(cluster_url), "home", 30).standing()) == 2
    rollback(house)
    assert shop.recommend("u7", 1).items == ("e2/u7/1",)
