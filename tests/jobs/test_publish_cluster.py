"""The same publication on a Redis Cluster: a node in cluster mode refuses whatever takes two keys of two slots."""

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.publication.sending import Sender
from jobs.publication.versions import Versions
from jobs.publish import publish
from jobs.rollback import rollback
from lake.settings import Settings
from storefront.aio import AsyncStorefront
from storefront.client import Storefront, UnknownSurface
from storefront.connection import connect
from tests.jobs import planted_lists
from tests.jobs.redis_process import RedisProcess

pytestmark = pytest.mark.integration

SLOTS = 16_384
RUNBOOK = Path(__file__).resolve().parents[2] / "docs" / "runbook.md"


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[Any]]:
    """Clients of a cluster's two nodes, each with half of the slots."""
    servers = []
    try:
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            servers.append(RedisProcess(tmp_path / name, "--cluster-enabled", "yes"))
            servers[-1].start()
        one, two = (server.client for server in servers)
        one.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS // 2 - 1)
        two.execute_command("CLUSTER", "ADDSLOTSRANGE", SLOTS // 2, SLOTS - 1)
        one.execute_command("CLUSTER", "MEET", "127.0.0.1", servers[1].port)
        while not all(_agrees(node) for node in (one, two)):
            time.sleep(0.05)
        yield [one, two]
    finally:
        for server in servers:
            server.kill()


def _agrees(node: Any) -> bool:
    found = node.execute_command("CLUSTER", "INFO")
    known = found if isinstance(found, dict) else dict(line.split(":") for line in found.split())
    return (known["cluster_state"], known["cluster_known_nodes"]) == ("ok", "2")


@pytest.fixture
def cluster_url(nodes: list[Any]) -> str:
    return f"redis+cluster://127.0.0.1:{nodes[0].connection_pool.connection_kwargs['port']}"


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


def test_the_users_of_the_runbook_may_do_what_they_must(tmp_settings: Settings, nodes: list[Any]) -> None:
    text = RUNBOOK.read_text()
    found = [
        re.search(pattern, text, re.MULTILINE)
        for pattern in (
            r"^ACL SETUSER publisher on >PASSWORD ~recs:\* (.*)$",
            r"readers need `([^`]+)`",
            r"^On a cluster add `([^`]+)`",
        )
    ]
    publisher, reader, further = (match[1].split() for match in found if match is not None)
    for node in nodes:
        for name, words in (("publisher", publisher), ("reader", reader)):
            node.execute_command("ACL", "SETUSER", name, "on", ">secret", "~recs:*", *words, *further)
    port = nodes[0].connection_pool.connection_kwargs["port"]
    urls = {name: f"redis+cluster://{name}:secret@127.0.0.1:{port}" for name in ("publisher", "reader")}
    house = tmp_settings.model_copy(update={"redis_url": urls["publisher"], "version_grace_seconds": 0})
    for day in (1, 2):
        planted_lists.write(house, planted_lists.rows(f"e{day}", f"2026-11-{day:02}", ["u7"]))
        publish(house, f"2026-11-{day:02}")
    rollback(house)
    shop = Storefront(urls["reader"])
    assert shop.recommend("u7", 1, why=True).items == asyncio.run(_by_asyncio(urls["reader"])) == ("e1/u7/1",)
    with pytest.raises(UnknownSurface):
        shop.recommend("u7", surface="typo")


def test_lists_whose_slots_moved_meanwhile_follow_them(
    tmp_settings: Settings, nodes: list[Any], cluster_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = tmp_settings.model_copy(update={"redis_url": cluster_url})
    users = [f"u{n}" for n in range(300)]
    planted_lists.write(house, planted_lists.rows("a", "2026-11-22", users))
    redirected: list[int] = []
    send = Sender.send

    def after_a_move(self: Any, batch: Any) -> None:
        if not redirected:
            redirected.append(_move(nodes))
        send(self, batch)

    monkeypatch.setattr(Sender, "send", after_a_move)
    publish(house, "2026-11-22")
    assert redirected[0] > 1000
    shop = Storefront(cluster_url)
    for user in users:
        assert shop.recommend(user, 5, why=True).items == tuple(planted_lists.item("a", user, r) for r in range(1, 6))


def _move(nodes: list[Any]) -> int:
    """Give the second node all empty slots of the first; a client that knew the old table is sent on by MOVED."""
    one, two = nodes
    target = two.execute_command("CLUSTER", "MYID")
    empty = [slot for slot in range(SLOTS // 2) if not one.execute_command("CLUSTER", "COUNTKEYSINSLOT", slot)]
    for node in (two, one):
        pipeline = node.pipeline(transaction=False)
        for slot in empty:
            pipeline.execute_command("CLUSTER", "SETSLOT", slot, "NODE", target)
        pipeline.execute()
    return len(empty)
