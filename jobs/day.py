"""A day, or a range of days, in one Spark session: events, their gate, catalogue, features and their gates.

A range makes features for its last day only; `--as-of` asks for further days, `--for-training` for those that a
training on the day after would need, `--features-only` leaves events alone.
Every gate stands before the write it guards, so a failed one leaves the previous partition in place.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Annotated, Any

import typer
from pyspark.sql import SparkSession

from jobs import events
from jobs.as_of import AsOf
from jobs.cli import Ds, From, To, finish
from jobs.features import build_all
from jobs.partitions import hold, replace_days
from jobs.spark import session
from lake import mapping, storage
from lake.clock import DayRange, parse_day, shift
from lake.errors import BadInput
from lake.settings import Settings
from models.config import TrainingConfig
from models.windows import Windows
from validation import data_docs
from validation.gate import GateReport, gate

log = logging.getLogger("nightshelf.day")

JOB = "jobs.day"


class Steps:
    """Progress: which step of how many, how long it took, and what the gates said."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.since = total, 0, time.monotonic()
        self.reports: list[GateReport] = []

    def end(self, text: str) -> None:
        self.done += 1
        now = time.monotonic()
        log.info("step %d/%d: %s (%.1f s)", self.done, self.total, text, now - self.since)
        self.since = now


def run(
    settings: Settings,
    days: DayRange | None,
    as_of: Sequence[date] = (),
    *,
    with_features: bool = True,
    for_training: bool = False,
    spark: SparkSession | None = None,
) -> Mapping[str, Any]:
    """Build events of `days` (unless None) and features as of the last day and of `as_of`.

    Args:
        for_training: also the features that a training as of the day after the range will read, where they lie within
            what is loaded: one session makes them for less than `training` would later, in one of its own.

    Returns:
        rows, quarantined and late of the events, `features` (rows by as-of day and table), `gates` (name -> success
        and warnings), `data_docs`.

    Raises:
        GateFailed: a check of severity fail was breached; the partitions behind that gate keep their content.
    """
    if spark is None:
        with session(settings, "day") as own:
            return run(settings, days, as_of, with_features=with_features, for_training=for_training, spark=own)
    wanted = {*as_of, *([days.last] if days and with_features else [])}
    steps = Steps((2 if days else 0) + len(wanted))
    result: dict[str, Any] = {}
    with data_docs.one_index(settings):
        if days:
            result |= _events(spark, settings, days, steps)
            if for_training:
                wanted |= _for_training(settings, days.last)
                steps.total = 2 + len(wanted)
        result["features"] = {day.isoformat(): _features(spark, settings, day, steps) for day in sorted(wanted)}
    result["gates"] = {r.name: {"success": r.success, "warnings": len(r.warnings)} for r in steps.reports}
    result["data_docs"] = steps.reports[-1].docs_url if steps.reports else None
    return result


def _events(spark: SparkSession, settings: Settings, days: DayRange, steps: Steps) -> dict[str, Any]:
    source = mapping.load(settings.source)

    def check(name: str, frame: Any, keys: list[str], context: Mapping[str, Any]) -> None:
        steps.reports.append(gate(name, frame, keys, settings=settings, spark=spark, context=context))

    cleaned = events.clean(spark, settings, source, days)
    steps.end(f"cleaned {cleaned.counts.get('raw', 0)} rows of {days}")
    written = events.write(settings, cleaned, check)
    steps.end(f"events: {written['rows']} rows, {written['quarantined']} quarantined, {written['late']} late")
    spark.catalog.clearCache()
    return written


def _features(spark: SparkSession, settings: Settings, day: date, steps: Steps) -> dict[str, int]:
    key, rows, known = day.isoformat(), {}, AsOf(spark, settings, day)
    frames = build_all(spark, settings, day, known)
    # Planning a query keeps one core of the driver busy: two tables at once use a second one.
    with ThreadPoolExecutor(2) as pool:
        held = pool.map(lambda name: hold(settings, name, frames[name]), frames)
        for name, made in zip(frames, held, strict=True):
            steps.reports.append(gate(name, made.rows, [key], settings=settings, spark=spark))
            rows[name] = replace_days(settings, name, made, [key], JOB, known.read)[key][0]
    known.release()
    steps.end(f"features as of {key}: {rows}")
    return rows


def _for_training(settings: Settings, last: date) -> set[date]:
    """Days up to `last` that lack the features which a training as of the day after will read."""
    if not storage.days(settings, "events"):
        return set()
    planned = Windows.plan(settings, shift(last, 1), TrainingConfig())
    return {day for day in map(date.fromisoformat, planned["missing"]) if day <= last}


def missing_features(settings: Settings, wanted: Sequence[date]) -> list[date]:
    """Days of `wanted` for which item features were never written."""
    known = set(storage.days(settings, "item_features"))
    return [day for day in wanted if day.isoformat() not in known]


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(help=__doc__)
def main(
    ds: Ds = None,
    start: From = None,
    end: To = None,
    as_of: Annotated[
        list[str] | None, typer.Option(help="A further day to make features for; may be repeated.")
    ] = None,
    features: Annotated[bool, typer.Option(help="--no-features: events only.")] = True,
    for_training: Annotated[
        bool, typer.Option("--for-training", help="Also features that a training on the day after would need.")
    ] = False,
    features_only: Annotated[
        bool, typer.Option("--features-only", help="Features of --as-of days that lack them.")
    ] = False,
) -> None:
    def work(settings: Settings) -> Mapping[str, Any]:
        extra = [parse_day(day, "--as-of") for day in as_of or ()]
        if not features_only:
            days = DayRange.parse(ds, start, end)
            return run(settings, days, extra, with_features=features, for_training=for_training)
        if ds or start or end or not extra:
            raise BadInput("--features-only takes one or more --as-of days and neither --ds nor --from and --to")
        lacking = missing_features(settings, extra)
        log.info("features of %d of %d days are to be made", len(lacking), len(extra))
        return run(settings, None, lacking) if lacking else {"features": {}}

    finish(JOB, work)


if __name__ == "__main__":
    app()
