"""`python -m infra.bench.http_load URL RATE SECONDS`: requests at a fixed rate, however long the answers take.

A process of its own, so that the generator takes no time from the server under load. Prints JSON: seconds a request
(from its sending to the last byte), requests that failed, and how late the requests were sent.
"""

import asyncio
import gc
import json
import sys
import time

import aiohttp
import uvloop

WARM_UP_SECONDS = 2.0


async def load(url: str, rate: float, seconds: float) -> dict[str, object]:
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
                    await response.read()
                    good = response.status == 200
            except aiohttp.ClientError:
                good = False
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
    return {"latencies": latencies, "failed": failed, "lags": lags}


if __name__ == "__main__":
    gc.disable()
    target, per_second, length = sys.argv[1:]
    print(json.dumps(uvloop.run(load(target, float(per_second), float(length)))))
