"""HTTP lookup: `/recommend` at 500 requests a second, against an endpoint of the same application that does nothing."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import requests
from fastapi import FastAPI, Response

from infra.bench import shop
from infra.bench.figures import Figure, in_turns
from infra.embedded.layout import HOME
from infra.embedded.redis_server import server
from lake.errors import Unavailable

RATE = 500
SECONDS = 10
BAR = 2.0
FLOOR = (
    "an endpoint that only answers: the server's parsing, routing and writing; on top come the query's check and one "
    "round trip to Redis through redis-py"
)


def nothing(app: FastAPI) -> None:
    """Extension of the service: the endpoint that does nothing."""

    @app.get("/nothing")
    async def endpoint() -> Response:
        return Response(b"{}", media_type="application/json")


def measure(runs: int) -> list[Figure]:
    """p50 and p99 of both endpoints of one server, a worker each time."""
    with server() as redis_url:
        shop.publish(redis_url)
        with _service(redis_url) as url:
            taken: dict[str, list[dict[str, float]]] = {"recommend": [], "nothing": []}
            in_turns(
                runs,
                _kept(taken["recommend"], f"{url}/recommend?user_id=1{{n:05}}&k=10&country=GB"),
                _kept(taken["nothing"], f"{url}/nothing"),
            )

    def at(name: str, percent: int) -> tuple[float, ...]:
        return tuple(run[f"p{percent}"] * 1e3 for run in taken[name][1:])

    lag = max(run["late"] for runs in taken.values() for run in runs[1:])
    details = {"rate": RATE, "seconds": SECONDS, "sent_late_p99_ms": round(lag * 1e3, 2)}
    against = "endpoint that does nothing"
    return [
        Figure(
            f"HTTP lookup p{p} at {RATE}/s",
            "ms",
            at("recommend", p),
            at("nothing", p),
            against,
            BAR if p == 99 else None,
            True,
            FLOOR,
            details,
        )
        for p in (50, 99)
    ]


def _kept(taken: list[dict[str, float]], url: str) -> Callable[[], float]:
    def run() -> float:
        command = [sys.executable, "-m", "infra.bench.http_load", url, str(RATE), str(SECONDS)]
        taken.append(json.loads(subprocess.check_output(command, cwd=HOME)))
        if taken[-1]["failed"]:
            raise Unavailable(f"{taken[-1]['failed']} of the requests to {url} failed: nothing to measure")
        return taken[-1]["p50"]

    return run


@contextmanager
def _service(redis_url: str) -> Iterator[str]:
    port = shop.free_port()
    given = {"REDIS_URL": redis_url, "STOREFRONT_PORT": str(port), "STOREFRONT_EXTENSIONS": "infra.bench.http:nothing"}
    process = subprocess.Popen(
        [sys.executable, "-m", "storefront.service", "--log-level", "warning"], cwd=HOME, env=os.environ | given
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                requests.get(f"{url}/readyz", timeout=1).raise_for_status()
                break
            except requests.RequestException:
                time.sleep(0.1)
        else:
            raise Unavailable(f"the service did not become ready on {url}")
        yield url
    finally:
        process.terminate()
        process.wait(15)
