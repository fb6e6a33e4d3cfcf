"""`python -m infra.bench.publish_once VAR URL`: one publication in a process of its own; prints seconds and peak."""

import json
import re
import sys
from pathlib import Path

from infra.bench.lists_lake import DS, SURFACE
from jobs.publication.door import open_redis
from jobs.publication.partition import ListsPartition
from jobs.publication.surface import publish_surface
from lake.settings import Settings


def peak_mib() -> float:
    """The most memory that this process ever held, MiB (VmHWM of proc(5): what a parent held does not count)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else float("nan")


def main(var: Path, url: str) -> None:
    settings = Settings(var=var, redis_url=url)
    with open_redis(settings) as client:
        done = publish_surface(settings, client, ListsPartition(settings, DS), SURFACE)
    print(json.dumps({"seconds": done.seconds, "peak_mib": peak_mib()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
