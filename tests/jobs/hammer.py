"""`python -m tests.jobs.hammer URL USERS K`: reads lists without a pause until a line comes in, and tells what it saw.

Lists are those of `tests.jobs.planted_lists`, whose items name the edition, so that a mixture shows.
"""

import json
import random
import select
import sys
import threading
from typing import Any

from storefront.client import Storefront
from tests.jobs.planted_lists import item

READERS = 3


def read(url: str, users: list[str], k: int, stop: threading.Event, told: dict[str, Any]) -> None:
    shop, chance = Storefront(url, pointer_seconds=0.01, timeout=5), random.Random(users[0])
    while not stop.is_set():
        user = chance.choice(users)
        answer = shop.recommend(user, k, why=True)
        edition = answer.items[0].split("/")[0] if answer.items else "?"
        told["editions"].add(edition)
        told["reads"] += 1
        whole = list(answer.items) == [item(edition, user, rank) for rank in range(1, k + 1)]
        if not whole or answer.fallback != "user" or {reason.value for reason in answer.reasons} != {user}:
            told["wrong"].append(answer.to_dict())


def main(url: str, users: list[str], k: int) -> None:
    stop, all_told = threading.Event(), []
    threads = []
    for _ in range(READERS):
        told: dict[str, Any] = {"reads": 0, "wrong": [], "editions": set()}
        all_told.append(told)
        threads.append(threading.Thread(target=read, args=(url, users, k, stop, told)))
        threads[-1].start()
    print("reading", flush=True)
    select.select([sys.stdin], [], [])
    stop.set()
    for thread in threads:
        thread.join()
    print(
        json.dumps(
            {
                "reads": [told["reads"] for told in all_told],
                "wrong": [answer for told in all_told for answer in told["wrong"]][:5],
                "editions": sorted(set().union(*(told["editions"] for told in all_told))),
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2].split(","), int(sys.argv[3]))
