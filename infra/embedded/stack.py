"""`make up`, `make down`, `make status`: the embedded stack in the background.

PostgreSQL, Redis, the storefront service, MLflow and Airflow's four components run under one supervisord. Everything
that they keep is under VAR. `up` is idempotent: on a running stack it prints the URLs; given other settings of the
pipeline or the service than last time, it restarts Airflow's parts and the service with them; after a crash it ends the
orphans first.
"""

import os
from typing import Annotated

import typer

from infra.embedded import environment, programs
from infra.embedded.commands import report, say, show
from infra.embedded.layout import StackSettings
from infra.embedded.lifecycle import Stack
from infra.embedded.programs import MLFLOW, POSTGRES, REDIS, STOREFRONT
from lake.errors import BadInput

app = typer.Typer(add_completion=False, rich_markup_mode=None, help=__doc__)


def _parts(only: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in only.split(",") if name.strip())
    unknown = sorted(set(names) - set(programs.PARTS))
    if unknown or not names:
        raise BadInput(f"--only: found {unknown or 'nothing'}, expected some of {', '.join(programs.PARTS)}")
    if (MLFLOW in names or "airflow" in names) and POSTGRES not in names:
        raise BadInput(f"--only {only}: mlflow and airflow keep their tables in PostgreSQL; add postgres")
    if STOREFRONT in names and REDIS not in names:
        raise BadInput(f"--only {only}: the storefront service reads Redis; add redis")
    return names


@app.command()
def up(only: Annotated[str, typer.Option(help="Parts to start, by comma.")] = ",".join(programs.PARTS)) -> None:
    """Start what does not run and wait until it answers; the settings in the environment are handed to the DAGs."""
    stack = Stack(StackSettings(), say)
    show(stack.up(_parts(only), environment.given(os.environ)), stack.layout)


@app.command()
def down() -> None:
    """Stop everything cleanly; the state stays."""
    Stack(StackSettings(), say).down()


@app.command()
def erase() -> None:
    """Stop everything and remove VAR: lake, lists, databases, logs, secrets."""
    stack = Stack(StackSettings(), say)
    stack.erase()
    say(f"removed what {stack.layout.var} held")


@app.command()
def status() -> None:
    """What runs, its memory (MiB, the whole process tree) and where it answers; exit code 1 if something is down."""
    from infra.embedded.status import table

    stack = Stack(StackSettings(), say)
    if not table(stack.layout, stack.supervisor, say):
        raise typer.Exit(1)


if __name__ == "__main__":
    report(app)
