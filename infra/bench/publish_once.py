"""`python -m infra.bench.publish_once VAR URL [PER_SECOND]`: publications in a process of its own.

Without a rate one of them, then its seconds and peak are printed. With one (0: no throttle) `ready` is printed and a
line waited for; then one follows the other, as `jobs.publish` would do it, and the lists a second of each are printed.
"""

import json
import re
import sys
from pathlib import Path

from infra.bench.lists_lake import DS, SURFACE
from jobs.publication.door import open_redis
from jobs.publication.pace import step_back
from jobs.publication.partition import ListsPartition
from jobs.publication.surface import Outcome, publish_surface
from lake.settings import Settings


def peak_mib() -> float:
    """The most memory that this process ever held, MiB (VmHWM of proc(5): what a parent held does not count)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else float("nan")


def publish(settings: Settings) -> Outcome:
    """One publication beside what serves."""
    with open_redis(settings) as client:
        return publish_surface(settings, client, ListsPartition(settings, DS), SURFACE, force=True)


def lists_per_second(done: Outcome) -> float:
    return sum(done.lists.values()) / done.seconds


def main(var: Path, url: str, per_second: int | None = None) -> None:
    settings = Settings(var=var, redis_url=url, publish_lists_per_second=per_second or 0)
    if per_second is None:
        print(json.dumps({"seconds": publish(settings).seconds, "peak_mib": peak_mib()}))
        return
    if per_second:
        step_back()
    print("ready", flush=True)
    sys.stdin.readline()
    while True:
        print(round(lists_per_second(publish(settings))), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:]))
