"""`python -m infra.bench [--only retrieval,lookup] [--runs 5] [--json FILE]`: the table and docs/verified/bench.json.

Each part is measured against a reference in the same run; nothing here is a timed test. Run it on a machine that does
nothing else. A part that is run alone replaces its own figures in the JSON and leaves the others.
"""

import importlib
import json
from pathlib import Path
from typing import Annotated

import typer

from infra.bench.figures import Figure, table
from infra.checks.results import FOLDER, commit, machine
from infra.embedded.commands import report, say
from lake.errors import BadInput

PARTS = ("retrieval", "ranking", "scaling", "publication", "lookup", "http", "spark", "training")
"""Modules of this package with `measure(runs: int) -> list[Figure]`, in the order of the table."""


def measure(names: list[str], runs: int) -> dict[str, list[Figure]]:
    """Figures by part.

    Raises:
        BadInput: an unknown part.
    """
    if unknown := [name for name in names if name not in PARTS]:
        raise BadInput(f"--only {', '.join(unknown)}: no such part; there are {', '.join(PARTS)}")
    found: dict[str, list[Figure]] = {}
    for name in names:
        say(f"bench: {name} ({runs} runs)")
        found[name] = importlib.import_module(f"infra.bench.{name}").measure(runs)
        say(table(found[name]))
    return found


def record(found: dict[str, list[Figure]], path: Path) -> None:
    """Write the figures beside those of the parts that were not run."""
    known = json.loads(path.read_text())["parts"] if path.is_file() else {}
    head = {"commit": commit(), "machine": machine()}
    known |= {name: {**head, "figures": [each.as_dict() for each in figures]} for name, figures in found.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"parts": {name: known[name] for name in PARTS if name in known}}, indent=2) + "\n")


def main(
    only: Annotated[str, typer.Option("--only", help="Parts, comma-separated; default all.")] = "",
    runs: Annotated[int, typer.Option("--runs", min=1, help="Runs whose median is told.")] = 5,
    path: Annotated[Path, typer.Option("--json", help="Where the figures go.")] = FOLDER / "bench.json",
) -> None:
    found = measure(only.split(",") if only else list(PARTS), runs)
    record(found, path)
    say("\n" + table([each for figures in found.values() for each in figures]))


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(help=__doc__)(main)
    report(app)
