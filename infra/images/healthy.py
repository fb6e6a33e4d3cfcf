#!/usr/bin/env python3
"""Health check of our images, standard library only: `healthy.py URL [PART]`.

Exit code 0 if URL answers 200 and, where PART is given, if the JSON answer calls that part healthy, as Airflow's
`/api/v2/monitor/health` does of `scheduler`, `dag_processor` and `triggerer`. Every `airflow` command would cost
seconds of CPU each time it is asked.
"""

import json
import sys
import urllib.request

SECONDS = 4


def healthy(url: str, part: str | None = None) -> bool:
    """Whether the service, or a part of it, is well; a service that does not answer is not."""
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            return part is None or json.load(answer)[part]["status"] == "healthy"
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"{url}: {error!r}", file=sys.stderr)
        return False


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        raise SystemExit(f"usage: {sys.argv[0]} URL [PART]")
    raise SystemExit(0 if healthy(*sys.argv[1:]) else 1)
