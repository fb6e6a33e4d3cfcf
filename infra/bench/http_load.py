"""`python -m infra.bench.http_load URL RATE SECONDS`: requests at a fixed rate, however long the answers take.

A process of its own, so that the generator takes no time from the server under load. Prints JSON: `p50` and `p99` of
the seconds a request took (from its sending to the last byte), how many `failed`, and `late`, the p99 of how late they
were sent.
"""

import asyncio
import gc
import json
import sys
import time

import aiohttp
import numpy as np
import uvloop

WARM_UP_SECONDS = 2.0


async def load(url: str, rate: float, seconds: float) -> dict[str, float]:
    """Send for `seconds` after a warm-up that is not counted; in `url`, `{n}` is the request's number."""
    latencies: list[float] = []
    lags: list[float] = []
    failed = 0
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def one(number: int, due: float) -> None:
            nonlocal failed
            began = time.perf_counter()
            try:
                async with session.get(url.format(n=number)) as response:
                    body = await response.read()
                    good = response.status == 200
                    if not good:
                        print(f"request {number}: {response.status} {body[:500]!r}", file=sys.stderr)
            except aiohttp.ClientError as error:
                good = False
                print(f"request {number}: {error!r}", file=sys.stderr)
            if number >= rate * WARM_UP_SECONDS:
                latencies.append(time.perf_counter() - began)
                lags.append(began - due)
                failed += not good

        started = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(int(rate * (seconds + WARM_UP_SECONDS))):
                due = started + number / rate
                if (pause := due - time.perf_counter()) > 0:
                    await asyncio.sleep(pause)
                group.create_task(one(number, due))
    middle, far = np.percentile(latencies, [50, 99])
    return {"p50": middle, "p99": far, "failed": failed, "late": float(np.percentile(lags, 99))}


if __name__ == "__main__":
    gc.disable()
    target, per_second, length = sys.argv[1:]
    print(json.dumps(uvloop.run(load(target, float(per_second), float(length)))))
