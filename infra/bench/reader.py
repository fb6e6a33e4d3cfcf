"""`python -m infra.bench.reader URL SECONDS USERS`: looks up shoppers' lists and prints how long that took."""

import hashlib
import json
import sys
import time

import numpy as np

from storefront import contract
from storefront.connection import connect
from storefront.contract import Meta

PAUSE_SECONDS = 0.001
K = 10


def main(url: str, seconds: float, users: int) -> None:
    """Read at random, some hundred times a second: the first ten items of a list of the version that serves."""
    client, random = connect(url), np.random.default_rng(3)
    version = client.get(contract.current_key(contract.DEFAULT_SURFACE))
    meta = Meta.read(client.hgetall(contract.meta_key(contract.DEFAULT_SURFACE, str(version))))
    took = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        token = hashlib.sha256(str(random.integers(users)).encode()).hexdigest()
        key = contract.user_key(contract.DEFAULT_SURFACE, meta.version, token)
        begun = time.perf_counter()
        found = client.lrange(key, 0, K - 1)
        took.append(time.perf_counter() - begun)
        if len(found) != K:
            raise RuntimeError(f"{key} has {len(found)} items, expected {K}")
        time.sleep(PAUSE_SECONDS)
    half, most = np.percentile(took, [50, 99]) * 1e6
    print(json.dumps({"reads": len(took), "p50_us": round(half, 1), "p99_us": round(most, 1)}))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
