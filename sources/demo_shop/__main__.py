"""`python -m sources.demo_shop --out DIR --from A --to B`: deliveries of a made-up shop, and the truth about it."""

import logging
import os
import time
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from lake.clock import DayRange, parse_day
from lake.command import finish
from lake.errors import BadInput
from lake.settings import Settings
from sources.demo_shop import truth
from sources.demo_shop.deliveries import catalogue_file, delivery, exposure_file
from sources.demo_shop.shop import Shop
from sources.demo_shop.trial import Trial

log = logging.getLogger("nightshelf.demo_shop")
app = typer.Typer(add_completion=False, rich_markup_mode=None)

HELP = """Write the deliveries of a made-up shop, one pair of files a day, and the truth that was planted.

DIR/events/YYYY-MM-DD.jsonl.gz holds the log as it arrives for a day, DIR/items/YYYY-MM-DD.csv.gz the whole catalogue as
known that day, DIR/truth.json and DIR/truth.npz what a test may compare with. A day is always the same, alone or in a
range; days can be added later with the same settings. Map it with sources/demo_shop.yaml.

With --experiment, DIR/impressions/YYYY-MM-DD.jsonl.gz is what the storefront logged (docs/experiments.md), and
shoppers of the arm click and check out more often, by the factor. They are dealt out by the ids that the storefront
uses: tokens of USER_KEY, or the shop's own with PSEUDONYMISE=false.

Example: python -m sources.demo_shop --out var/deliveries --from 2026-10-01 --to 2026-11-22
"""


def generate(folder: Path, shop: Shop, days: DayRange) -> dict[str, Any]:
    """Write the deliveries of some days.

    Returns:
        Counts over the days: `files`, `bytes`, `rows` (delivered, broken ones included), `days`, and `truth` (a path).

    Raises:
        BadInput: the folder holds the days of another shop.
    """
    planted, facts, size, files = truth.known(folder, shop), {}, 0, 2 * len(days)
    started = told = time.monotonic()
    for day in days:
        event_file = delivery(shop, day)
        facts[day] = event_file.facts
        size += _put(folder / "events" / f"{day}.jsonl.gz", event_file.content)
        size += _put(folder / "items" / f"{day}.csv.gz", catalogue_file(shop, day))
        if (shown := exposure_file(shop, day)) is not None:
            size += _put(folder / "impressions" / f"{day}.jsonl.gz", shown)
            files += 1
        if time.monotonic() - told > 5:
            told = time.monotonic()
            log.info("%d of %d days, %.0f s", len(facts), len(days), told - started)
    path = truth.write(folder, shop, planted, facts)
    rows = sum(fact["rows"] for fact in facts.values())
    log.info("%s: %d rows, %.1f MB in %s", days, rows, size / 1e6, folder)
    return {"files": files, "rows": rows, "bytes": size, "days": len(days), "truth": str(path)}


def _put(path: Path, content: bytes) -> int:
    """Write a file whole or not at all; one that already holds the content is left alone."""
    if not (path.exists() and path.read_bytes() == content):
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(path.name + ".part")
        unfinished.write_bytes(content)
        os.replace(unfinished, path)
    return len(content)


@app.command(help=HELP)
def main(
    out: Annotated[Path, typer.Option(help="Folder of the deliveries; DATA of the pipeline.")],
    start: Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD.")],
    end: Annotated[str, typer.Option("--to", help="Last day, included.")],
    shoppers: Annotated[int, typer.Option(help="Shoppers with an account on any one day.")] = 800,
    items: Annotated[int, typer.Option(help="Articles in the catalogue on any one day.")] = 400,
    seed: Annotated[int, typer.Option(help="Another seed is another shop.")] = 7,
    drift_on: Annotated[str | None, typer.Option(help="Day from which most shoppers like other things.")] = None,
    experiment: Annotated[
        str | None, typer.Option(help="surface:arm:share:factor, such as home:treatment:0.5:1.25.")
    ] = None,
    experiment_on: Annotated[str | None, typer.Option(help="First day of the experiment; default --from.")] = None,
) -> None:
    def work(settings: Settings) -> dict[str, Any]:
        drift: date | None = parse_day(drift_on, "--drift-on") if drift_on else None
        days, trial = DayRange.parse(start=start, end=end), None
        if experiment:
            since = parse_day(experiment_on, "--experiment-on") if experiment_on else days.first
            trial = Trial.parse(experiment, since, settings.key() if settings.pseudonymise else None)
        elif experiment_on:
            raise BadInput("--experiment-on says when an experiment begins; give --experiment too")
        return generate(out, Shop(seed, shoppers, items, drift, trial), days)

    finish("sources.demo_shop", work)


if __name__ == "__main__":
    app()
