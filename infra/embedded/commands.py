"""Running our own commands for a person: child processes with a plain view of the stack, errors as messages."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping

from infra.embedded.layout import HOME, Layout
from lake.errors import BadInput, NightshelfError


def say(line: str) -> None:
    """A progress line."""
    print(line, flush=True)


SHOWN = (("Airflow", "airflow_url"), ("MLflow", "mlflow_url"), ("lists", "storefront_url"), ("Redis", "redis_url"))


def show(points: Mapping[str, str], layout: Layout) -> None:
    """The URLs and how to log in."""
    for label, key in SHOWN:
        if key in points:
            login = f"   {points['airflow_user']} / {points['airflow_password']}" if key == "airflow_url" else ""
            say(f"  {label:8} {points[key]}{login}")
    if "storefront_url" in points:
        say(f"  {'showroom':8} {points['storefront_url']}/shop/   (who gets what, and why)")
    say(f"  {'lake':8} {points['lake_root']}")
    say(f"  {'state':8} {layout.var}   (`. {layout.environment}` gives a shell the stack's view)")


def module(
    name: str, arguments: Iterable[str], *, surroundings: Mapping[str, str] | None = None, quiet: bool = False
) -> str:
    """Run `python -m name` from the checkout; its standard output is returned and, unless quiet, shown.

    Raises:
        BadInput: it failed; the message has the end of what it printed.
    """
    done = subprocess.run(
        [sys.executable, "-m", name, *arguments],
        cwd=HOME,
        env=os.environ | dict(surroundings or {}),
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise BadInput(f"python -m {name} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    if not quiet:
        say(done.stdout.rstrip())
    return done.stdout


def report(command: Callable[[], None]) -> None:
    """Run a command for a person: its errors are messages, not tracebacks."""
    try:
        command()
    except NightshelfError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from error
    except KeyboardInterrupt:
        print("interrupted; the stack still runs, `make down` stops it", file=sys.stderr)
        raise SystemExit(130) from None
