"""`python -m infra.bench.sizing [--shoppers N] [--items N] [--surfaces N] [--events N]`: what a shop of a size needs.

Reads docs/verified/bench.json, which `make bench` writes, and prints a Markdown table. Every figure names where it
comes from: *measured* is a figure of the bench at the bench's own size, *extrapolated* is such a figure through the
formula beside it, *arithmetic* follows from the layout of data alone, *list price* multiplies one of these by a price
that stands in `PRICES`. What the bench has not measured is said to be missing; nothing is filled in. `--page FILE`
writes the table between the markers of a page instead (`make docs`).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer

from infra.bench.sizing_arithmetic import Scale, index_bytes, snapshot_bytes, tower_bytes
from infra.checks.results import FOLDER
from infra.embedded.commands import report, say
from lake.errors import BadInput

GB, HOUR = 1e9, 3600.0
SCORED = 2_000
"""Shoppers behind the figure of the part `scaling`, for the two surfaces `home` and `discover`."""
INDEXED = 200_000
"""Items of the bench's approximate search."""
BENCH_SURFACES = 2
MONTH = 30
PRICES = {
    "GB of Redis": 0.0133,
    "core hour of scoring": 0.0504,
    "core hour of Spark": 0.0757,
    "hour of training": 1.006,
}
"""USD an hour, on demand, us-east-1, noted by hand in 2025 and to be looked up anew: a GB of a Valkey node of the r7g
family, a vCPU of m7i, a vCPU with 4 GB of EMR Serverless, a g5.xlarge."""
MARKERS = ("<!-- sizing: begins -->", "<!-- sizing: ends -->")


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    value: str
    kind: str
    formula: str


class Bench:
    """The figures of a bench.json, by name."""

    def __init__(self, parts: Mapping[str, Any]) -> None:
        self._figures = {each["name"]: each for part in parts.values() for each in part["figures"]}
        self.commits = sorted({part["commit"] for part in parts.values()})

    @classmethod
    def read(cls, path: Path) -> "Bench":
        """Raises BadInput where there is no such file."""
        if not path.is_file():
            raise BadInput(f"{path} does not exist; `make bench` writes it")
        return cls(json.loads(path.read_text())["parts"])

    def ours(self, name: str) -> float | None:
        """Median of our runs, in the figure's unit; None where it was not measured."""
        return float(median(self._figures[name]["ours"])) if name in self._figures else None

    def detail(self, name: str, key: str) -> float | None:
        """A further number of a figure."""
        found = self._figures.get(name, {}).get("details", {}).get(key)
        return None if found is None else float(found)


def rows(bench: Bench, scale: Scale) -> list[Row]:
    """What was measured, then what follows for the scale."""
    return [*_measured(bench), *_extrapolated(bench, scale), *_arithmetic(scale), *_costs(bench, scale)]


def _measured(bench: Bench) -> list[Row]:
    figures = {
        f"scoring {SCORED:,} shoppers, home and discover, 2 threads": (_SCORING, "s"),
        "publication to one Redis": (_PUBLISHING, "lists/s"),
        "Redis memory of a list of 50 with its reasons": (_BYTES, "B"),
        "the night's Spark jobs, later nights": (_SPARK, "events/s"),
        "two-tower training": (_TRAINING, "examples/s"),
    }
    told = {what: (bench.ours(name), unit, f"`{name}`") for what, (name, unit) in figures.items()}
    told[f"building the index of {INDEXED:,} items"] = (_build_seconds(bench), "s", f"`{_INDEX}`")
    return [Row(what, _text(value, unit), "measured", name) for what, (value, unit, name) in told.items()]


def _version_gb(bench: Bench, scale: Scale) -> float | None:
    return _times(bench.ours(_BYTES), (scale.shoppers * scale.surfaces + scale.items) / GB)


def _scoring_core_hours(bench: Bench, scale: Scale) -> float | None:
    return _times(bench.ours(_SCORING), 2 / SCORED * scale.shoppers * scale.surfaces / BENCH_SURFACES / HOUR)


def _spark_core_hours(bench: Bench, scale: Scale) -> float | None:
    return _over(2 * scale.look_back_events, bench.ours(_SPARK), HOUR)


def _extrapolated(bench: Bench, scale: Scale) -> list[Row]:
    lists, rate, build = scale.shoppers * scale.surfaces, bench.ours(_PUBLISHING), _build_seconds(bench)
    version, cores = _version_gb(bench, scale), _scoring_core_hours(bench, scale)
    growth = (scale.items / INDEXED) ** 1.5
    found = [
        ("Redis memory, one version", version, "GB", "(shoppers x surfaces + items) x bytes a list"),
        ("Redis memory, the two versions of a publication", _times(version, 2), "GB", "twice that"),
        ("... with a quarter of room for the server", _times(version, 2.5), "GB", "x 1.25: buffers, fragmentation"),
        ("publication", _over(lists, rate, 60), "min", "shoppers x surfaces / lists a second, one server"),
        ("scoring", cores, "core hours", "2 threads x seconds / shoppers, linear in shoppers"),
        ("scoring on 64 cores", _times(cores, 1 / 64), "h", "cores share nothing, SCORING=spark"),
        ("index of nearest items", _times(build, growth), "s", "(items / 200,000)^1.5: items x cells, cells ~ root"),
        (
            "Spark jobs of a night",
            _spark_core_hours(bench, scale),
            "core hours",
            "events of the look-back / events a second x 2 cores; a cluster adds shuffles over a network",
        ),
    ]
    return [Row(what, _text(value, unit), "extrapolated", formula) for what, value, unit, formula in found]


def _arithmetic(scale: Scale) -> list[Row]:
    snapshot, tower = snapshot_bytes(scale), tower_bytes(scale.items)
    found = [
        ("snapshot in memory, in each process that scores", snapshot / GB, "GB", "see `sizing_arithmetic`"),
        ("... while it is read", 2 * snapshot / GB, "GB", "Arrow's columns and ours stand beside each other"),
        ("index of nearest items, in memory", index_bytes(scale.items) / GB, "GB", "items x (64 x 4 + 8) B"),
        ("two-tower tables with Adam on a GPU", tower / GB, "GB", "items x 64 x 4 B x (weights, 2 moments, gradient)"),
        ("rows of the table `lists` a night", scale.shoppers * scale.surfaces * 50 / 1e6, "million", "50 a list"),
    ]
    return [Row(what, _text(value, unit), "arithmetic", formula) for what, value, unit, formula in found]


def _costs(bench: Bench, scale: Scale) -> list[Row]:
    """USD a month; network, storage, logs and what runs all day beside these are in docs/aws.md."""
    redis = _times(_version_gb(bench, scale), 2.5 * 2 * 24 * MONTH * PRICES["GB of Redis"])
    scoring = _times(_scoring_core_hours(bench, scale), MONTH * PRICES["core hour of scoring"])
    spark = _times(_spark_core_hours(bench, scale), MONTH * PRICES["core hour of Spark"])
    found = [
        ("Redis, two nodes in two zones", redis, "x 2.5 versions x 2 nodes x hours"),
        ("scoring", scoring, "core hours x 30 nights"),
        ("Spark", spark, "core hours x 30 nights; vCPUs taken for our cores"),
        ("training", PRICES["hour of training"] * 4, "four trainings of an assumed hour"),
    ]
    return [Row(f"{what}, a month", _text(value, "USD"), "list price", formula) for what, value, formula in found]


_SCORING, _PUBLISHING = "scoring, time at 10 x shoppers / 10", "publication"
_BYTES = "Redis memory: LIST and reasons (ours, all of it)"
_SPARK, _TRAINING = "spark jobs, later nights", "training, against basic retrieval"
_INDEX = f"retrieval among {INDEXED:,}, approximate"


def _build_seconds(bench: Bench) -> float | None:
    return bench.detail(_INDEX, "build_seconds")


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _over(count: float, rate: float | None, unit: float) -> float | None:
    return None if rate is None else count / rate / unit


def _text(value: float | None, unit: str) -> str:
    return "not measured yet" if value is None else f"{float(f'{value:.2g}'):,.10g} {unit}"


def table(found: list[Row]) -> str:
    """Markdown."""
    head = "| what | figure | how known | from |\n|---|---|---|---|\n"
    return head + "\n".join(f"| {each.what} | {each.value} | {each.kind} | {each.formula} |" for each in found)


def main(
    shoppers: Annotated[int, typer.Option(min=1, help="Shoppers with a list of their own.")] = 10_000_000,
    items: Annotated[int, typer.Option(min=1, help="Size of the catalogue.")] = 1_000_000,
    surfaces: Annotated[int, typer.Option(min=1, help="Surfaces with a list for each shopper.")] = 2,
    events: Annotated[int, typer.Option(min=1, help="Events a shopper within the look-back.")] = 25,
    path: Annotated[Path, typer.Option("--json", help="Figures of `make bench`.")] = FOLDER / "bench.json",
    page: Annotated[Path | None, typer.Option("--page", help="Page whose table is to be renewed.")] = None,
) -> None:
    text = told(Bench.read(path), Scale(shoppers, items, surfaces, events))
    if page is None:
        say(text)
    else:
        page.write_text(renewed(page.read_text(), text))


def told(bench: Bench, scale: Scale) -> str:
    """What the table is about, and the table."""
    shop = f"{scale.shoppers:,} shoppers x {scale.items:,} items, {scale.surfaces} surfaces"
    head = f"{shop}, {scale.events} events a shopper; bench of commits {', '.join(bench.commits)}:"
    return f"{head}\n\n{table(rows(bench, scale))}"


def renewed(page: str, text: str) -> str:
    """The page with the text between its markers.

    Raises:
        BadInput: the page has no markers.
    """
    begin, end = map(re.escape, MARKERS)
    if not re.search(f"{begin}.*{end}", page, re.S):
        raise BadInput(f"the page has no {MARKERS[0]} ... {MARKERS[1]}")
    return re.sub(f"{begin}.*{end}", lambda _: f"{MARKERS[0]}\n{text}\n{MARKERS[1]}", page, flags=re.S)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(help=__doc__)(main)
    report(app)
