"""What every job's command line has in common: the days, the log, the last line and the exit code.

The last line on standard output is one JSON object, the job's result; Airflow hands it on as XCom. Exit codes are
those of `lake.errors`: 65 bad input and 66 a failed gate (no retry helps), 75 unavailable (a retry can help).
"""

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from lake.clock import DayRange
from lake.errors import NightshelfError
from lake.settings import Settings, settings

Ds = Annotated[str | None, typer.Option("--ds", help="One UTC day, YYYY-MM-DD.")]
From = Annotated[str | None, typer.Option("--from", help="First day of a range.")]
To = Annotated[str | None, typer.Option("--to", help="Last day of a range, included.")]

log = logging.getLogger("nightshelf")


def finish(name: str, work: Callable[[Settings], Mapping[str, Any]]) -> None:
    """Run a job's work, print its result as the last line and turn its errors into exit codes."""
    logging.basicConfig(
        level=os.environ.get("LOG_LEVEL", "INFO"), format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    for noisy in ("py4j", "great_expectations", "botocore", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    started = time.monotonic()
    try:
        result = work(settings())
    except NightshelfError as error:
        log.error("%s: %s", name, error)
        sys.stdout.flush()
        raise SystemExit(error.exit_code) from error
    log.info("%s done in %.1f s", name, time.monotonic() - started)
    print(json.dumps(result, default=str), flush=True)


def day_job(work: Callable[[Settings, DayRange], Mapping[str, Any]], help: str) -> Callable[[], None]:
    """A command that takes `--ds` or `--from`/`--to` and nothing else."""

    def command(ds: Ds = None, start: From = None, end: To = None) -> None:
        finish(work.__module__, lambda s: work(s, DayRange.parse(ds, start, end)))

    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(help=help)(command)
    return app
