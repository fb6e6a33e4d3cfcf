"""Where a night's Spark jobs spend their time: `python -m infra.bench.spark_profile --ds D [--events]`.

Makes the features of a day on the lake as configured, twice: in a fresh session, and again in the same one. A lake that
holds the day already keeps it, as the rows are the same. One line a table, from Spark's status store; what is not
inside a Spark job is planning, code generation, gates and commits.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any

import typer
from pyspark.sql import SparkSession

from infra.bench.figures import stopwatch
from infra.embedded.commands import report, say
from jobs import day
from jobs.spark import build_session
from lake.clock import DayRange, parse_day
from lake.settings import Settings, settings

OTHER = "other"
"""Jobs that nobody described: listing files, reading headers."""


@dataclass
class Part:
    """What the jobs of one description cost.

    Attributes:
        jobs, stages, tasks: that ran.
        seconds: during which at least one of its jobs was running.
        cpu: seconds of processor in its tasks.
        gc: seconds of its tasks that went to the garbage collector.
        shuffled: rows that went through a shuffle.
    """

    jobs: int = 0
    stages: int = 0
    tasks: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    gc: float = 0.0
    shuffled: int = 0
    spans: list[tuple[float, float]] = field(default_factory=list)

    def as_dict(self) -> dict[str, float]:
        """Plain numbers."""
        whole = {"jobs": self.jobs, "stages": self.stages, "tasks": self.tasks, "shuffled": self.shuffled}
        return whole | {name: round(getattr(self, name), 2) for name in ("seconds", "cpu", "gc")}


@dataclass
class Profile:
    """A piece of work in a session.

    Attributes:
        seconds: wall.
        compiling: seconds in which generated code was compiled; they lie inside and outside jobs.
        parts: by description.
    """

    seconds: float = 0.0
    compiling: float = 0.0
    parts: dict[str, Part] = field(default_factory=dict)

    @property
    def in_jobs(self) -> float:
        """Seconds during which at least one job was running."""
        return covered([span for part in self.parts.values() for span in part.spans])

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        parts = {name: part.as_dict() for name, part in self.parts.items()}
        whole = {"seconds": self.seconds, "in_jobs": self.in_jobs, "compiling": self.compiling}
        return {name: round(value, 2) for name, value in whole.items()} | {"parts": parts}

    def table(self) -> str:
        """Markdown, one line a part."""
        lines = [
            "| part | jobs | stages | tasks | seconds | processor s | shuffled rows |",
            "|---|---|---|---|---|---|---|",
        ]
        for name, part in self.parts.items():
            numbers = f"{part.jobs} | {part.stages} | {part.tasks} | {part.seconds:.1f} | {part.cpu:.1f}"
            lines.append(f"| {name} | {numbers} | {part.shuffled:,} |")
        lines.append(f"| outside jobs | | | | {self.seconds - self.in_jobs:.1f} | | |")
        lines.append(f"| all (of it compiling: {self.compiling:.1f} s) | | | | {self.seconds:.1f} | | |")
        return "\n".join(lines)


def covered(spans: list[tuple[float, float]]) -> float:
    """Length of the union of intervals."""
    total, reached = 0.0, float("-inf")
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


@contextmanager
def profiled(spark: SparkSession) -> Iterator[Profile]:
    """Profile a block; the numbers stand once it has ended."""
    found = Profile()
    generator = spark._jvm.org.apache.spark.sql.catalyst.expressions.codegen.CodeGenerator
    known, begun = {each.jobId() for each in _listed(_store(spark).jobsList(None))}, generator.compileTime()
    with stopwatch() as seconds:
        yield found
    found.seconds, found.compiling = seconds(), (generator.compileTime() - begun) / 1e9
    _collect(spark, found, known)


def _collect(spark: SparkSession, found: Profile, known: set[int]) -> None:
    store = _store(spark)
    owner: dict[int, Part] = {}
    # The store is fed by a queue of its own; it has everything once that is empty.
    spark.sparkContext._jsc.sc().listenerBus().waitUntilEmpty()
    for job in reversed(_listed(store.jobsList(None))):
        if job.jobId() in known:
            continue
        described = job.description().get() if job.description().isDefined() else OTHER
        # Spark names some of its own jobs, with the files that they list.
        part = found.parts.setdefault(OTHER if described.startswith("Listing") else described, Part())
        part.jobs += 1
        part.spans.append((_moment(job.submissionTime()), _moment(job.completionTime())))
        owner |= dict.fromkeys(_listed(job.stageIds()), part)
    quantiles = spark.sparkContext._gateway.new_array(spark._jvm.double, 0)
    for stage in _listed(store.stageList(None, False, False, quantiles, None)):
        if stage.stageId() in owner and stage.status().toString() == "COMPLETE":
            part = owner[stage.stageId()]
            part.stages += 1
            part.tasks += stage.numTasks()
            part.cpu += stage.executorCpuTime() / 1e9
            part.gc += stage.jvmGcTime() / 1e3
            part.shuffled += stage.shuffleWriteRecords()
    for part in found.parts.values():
        part.seconds = covered(part.spans)


def _store(spark: SparkSession) -> Any:
    return spark.sparkContext._jsc.sc().statusStore()


def _listed(sequence: Any) -> list[Any]:
    return [sequence.apply(i) for i in range(sequence.size())]


def _moment(time: Any) -> float:
    return time.get().getTime() / 1e3 if time.isDefined() else 0.0


def night(settings: Settings, ds: date, spark: SparkSession, *, with_events: bool) -> None:
    """A night as `jobs.day` makes it."""
    if with_events:
        day.run(settings, DayRange(ds, ds), spark=spark)
    else:
        day.run(settings, None, [ds], spark=spark)


def main(
    ds: Annotated[str, typer.Option("--ds", help="The day, YYYY-MM-DD.")],
    events: Annotated[bool, typer.Option("--events", help="Clean the day's deliveries again, too.")] = False,
) -> None:
    known = settings()
    with stopwatch() as seconds:
        spark = build_session(known, "profile")
        spark.range(1).count()
    say(f"session and first query: {seconds():.1f} s")
    for title in ("fresh session", "again"):
        with profiled(spark) as found:
            night(known, parse_day(ds, "--ds"), spark, with_events=events)
        say(f"\n{title}\n\n{found.table()}")
    spark.stop()


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(help=__doc__)(main)
    report(app)
