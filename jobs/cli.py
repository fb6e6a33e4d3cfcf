"""What every job's command line has in common: the days it is asked for.

How a command ends (the last line, the exit code) is `lake.command.finish`, so that `models` can end the same way.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from lake.clock import DayRange
from lake.command import finish
from lake.settings import Settings

Ds = Annotated[str | None, typer.Option("--ds", help="One UTC day, YYYY-MM-DD.")]
From = Annotated[str | None, typer.Option("--from", help="First day of a range.")]
To = Annotated[str | None, typer.Option("--to", help="Last day of a range, included.")]


def day_job(work: Callable[[Settings, DayRange], Mapping[str, Any]], help: str) -> Callable[[], None]:
    """A command that takes `--ds` or `--from`/`--to` and nothing else."""

    def command(ds: Ds = None, start: From = None, end: To = None) -> None:
        # Run as `python -m`, the module is called __main__; its spec keeps the name.
        finish(
            getattr(sys.modules[work.__module__].__spec__, "name", work.__module__),
            lambda s: work(s, DayRange.parse(ds, start, end)),
        )

    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(help=help)(command)
    return app


__all__ = ["Ds", "From", "To", "day_job", "finish"]
