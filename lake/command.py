"""What every command has in common: its last line and its exit code.

The last line on standard output is one JSON object, the command's result; Airflow hands it on as XCom. Exit codes are
those of `lake.errors`: 65 bad input and 66 a failed gate (no retry helps), 75 unavailable (a retry can help). What it
told is left for Prometheus, however it ends (`lake.prometheus.outlet`).
"""

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from lake.errors import NightshelfError
from lake.prometheus import outlet
from lake.settings import Settings, settings

log = logging.getLogger("nightshelf")

CRASHED = 1
"""Python's exit code of an error that nobody expected."""


def finish(name: str, work: Callable[[Settings], Mapping[str, Any]]) -> None:
    """Run a command's work, print its result as the last line and turn its errors into exit codes."""
    logging.basicConfig(
        level=os.environ.get("LOG_LEVEL", "INFO"), format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    for noisy in ("py4j", "great_expectations", "botocore", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    started, found = time.monotonic(), None

    def ended(code: int) -> None:
        if found is not None:
            outlet.ended(found, name, code, time.monotonic() - started)

    try:
        found = settings()
        result = work(found)
    except NightshelfError as error:
        log.error("%s: %s", name, error)
        sys.stdout.flush()
        ended(error.exit_code)
        raise SystemExit(error.exit_code) from error
    except Exception:
        ended(CRASHED)
        raise
    log.info("%s done in %.1f s", name, time.monotonic() - started)
    ended(0)
    print(json.dumps(result, default=str), flush=True)


def parse_result(output: str) -> dict[str, Any]:
    """The JSON object on the last line of a command's standard output.

    Raises:
        ValueError: there is none.
    """
    lines = output.strip().splitlines()
    try:
        result = json.loads(lines[-1])
    except (IndexError, json.JSONDecodeError):
        result = None
    if not isinstance(result, dict):
        raise ValueError(f"the last line on standard output should be one JSON object, found {lines[-1:]!r}")
    return result
