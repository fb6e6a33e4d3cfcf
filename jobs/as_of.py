"""What is known as of a day: the events under both clocks, read once for every feature made from them."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from datetime import date
from functools import cached_property
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.partitions import replace_days
from jobs.spark import conform, described, read, session
from lake.clock import Cutoff, DayRange, day_end, shift
from lake.columns import Columns as C
from lake.partitions import versions
from lake.settings import Settings
from lake.tables import TABLES

AGE = "age"
"""Days from the event's UTC day to the as-of day: 0 is the as-of day itself, so a window of N days is `age < N`."""

MICROS_A_DAY = 86_400_000_000
BOT_MULTIPLE = 50


def events_as_of(spark: SparkSession, settings: Settings, as_of: date, days: int | None = None) -> DataFrame:
    """Events of the last `days` UTC days (default HISTORY_DAYS) that were known as of a day.

    Both clocks cut: what happened later and what was delivered after the cut-off are left out.
    """
    cut = Cutoff.as_of(as_of, settings.delivery_cutoff_hours)
    first = shift(as_of, 1 - (settings.history_days if days is None else days))
    events = read(spark, settings, "events", first.isoformat(), as_of.isoformat())
    known = F.col(C.INGESTED_TS) <= F.lit(cut.ingested_until)
    return events.where((F.col(C.EVENT_TS) < F.lit(cut.events_before)) & known)


def days_before(moment: Column, as_of: date) -> Column:
    """Days, with their fraction, from a timestamp to the end of the as-of day."""
    end = int(day_end(as_of).timestamp()) * 1_000_000
    return (F.lit(end) - F.unix_micros(moment)) / F.lit(float(MICROS_A_DAY))


class AsOf:
    """One day's view of the log, shared by every builder, with what it cached.

    Args:
        spark: the session the frames live in.
        settings: gives the look-back, the cut-off and the bot threshold.
        day: the as-of day.

    Call `release` once everything made from it is written.
    """

    def __init__(self, spark: SparkSession, settings: Settings, day: date) -> None:
        self.spark = spark
        self.settings = settings
        self.day = day
        self._kept: list[DataFrame] = []
        self.read = versions(settings, ("events", "item_sightings", "items", "deliveries"))

    def keep(self, frame: DataFrame) -> DataFrame:
        """Cache a frame until `release`."""
        frame = frame.persist()
        self._kept.append(frame)
        return frame

    def release(self) -> None:
        """Drop everything cached for this day."""
        while self._kept:
            self._kept.pop().unpersist()

    def table(self, name: str, frame: DataFrame) -> DataFrame:
        """The frame as rows of a table's partition of this day."""
        return conform(frame.withColumn(C.DS, F.lit(self.day.isoformat())), TABLES[name])

    @cached_property
    def events(self) -> DataFrame:
        """The look-back's events with `age`; only the columns that features read."""
        rows = events_as_of(self.spark, self.settings, self.day)
        age = F.datediff(F.lit(self.day.isoformat()).cast("date"), F.col(C.DS).cast("date"))
        wanted = (
            C.USER_ID,
            C.ITEM_ID,
            C.EVENT_TYPE,
            C.EVENT_TS,
            C.QUANTITY,
            C.PRICE,
            C.SESSION_ID,
            C.DEVICE,
            C.COUNTRY,
        )
        return self.keep(rows.select(*wanted, age.alias(AGE)))

    @cached_property
    def _crowd(self) -> tuple[int, frozenset[str]]:
        """How many actor days there are, and the actors that are bots; one pass."""
        actor = F.coalesce(C.USER_ID, C.SESSION_ID)
        busy = F.col("n") > self.settings.bot_events_a_day
        actor_days = (
            self.events.where(actor.isNotNull()).groupBy(actor.alias("actor"), AGE).agg(F.count("*").alias("n"))
        )
        crowd = actor_days.agg(
            F.count("*").alias("days"),
            F.percentile_approx("n", 0.5).alias("median"),
            F.collect_list(F.when(busy, F.struct("actor", "n"))).alias("busy"),
        )
        with described(self.spark, "look-back"):
            row = crowd.first()
        assert row is not None
        limit = BOT_MULTIPLE * (row["median"] or 0)
        return row["days"], frozenset(each["actor"] for each in row["busy"] if each["n"] > limit)

    @property
    def actor_days(self) -> int:
        """Distinct days of shoppers (of sessions, where anonymous) in the look-back: how large the log is."""
        return self._crowd[0]

    @property
    def bots(self) -> frozenset[str]:
        """Shoppers, and anonymous sessions, that are no people.

        A bot has a day with more than BOT_EVENTS_A_DAY events **and** more than 50 times the median shopper's day; the
        second keeps a wholesaler's log, where a thousand lines are an ordinary day, whole. The median, unlike a high
        percentile, cannot be moved by the bots of a small log.
        """
        return self._crowd[1]

    @cached_property
    def human_events(self) -> DataFrame:
        """Events without those of bots: what items and pairs of items are counted by."""
        return self.without_bots(self.events, F.coalesce(C.USER_ID, C.SESSION_ID))

    def without_bots(self, frame: DataFrame, actor: Column) -> DataFrame:
        """Rows whose actor is not a bot; rows without an actor stay."""
        return frame.where(~F.coalesce(actor, F.lit("")).isin(sorted(self.bots))) if self.bots else frame

    @cached_property
    def touches(self) -> DataFrame:
        """One row a known shopper and item touched in 90 days: `n` events, `bought`."""
        recent = self.events.where((F.col(AGE) < 90) & F.col(C.USER_ID).isNotNull())
        return self.keep(
            # Few shoppers touch an item twice, so rows move before they are counted; placed by shopper, whatever is
            # made of them for a shopper moves nothing more.
            recent.repartition(C.USER_ID)
            .groupBy(C.USER_ID, C.ITEM_ID)
            .agg(F.count("*").alias("n"), F.max(F.col(C.EVENT_TYPE) == "purchase").alias("bought"))
        )


Builder = Callable[[AsOf], Mapping[str, DataFrame]]


def write_days(
    builder: Builder, job: str, settings: Settings, days: DayRange, spark: SparkSession | None = None
) -> dict[str, Any]:
    """Build and replace the partitions of every as-of day of a range, in one session.

    Args:
        builder: gives, from one day's view, the rows of that day by table.
        job: recorded beside the row counts.
        spark: a running session; else one is started and stopped.

    Returns:
        `{"days": .., "rows": {table: {ds: rows}}}`.
    """
    rows: dict[str, dict[str, int]] = {}
    with nullcontext(spark) if spark is not None else session(settings, job) as running:
        for day in days:
            known = AsOf(running, settings, day)
            try:
                for name, frame in builder(known).items():
                    marks = replace_days(settings, name, frame, [day.isoformat()], job, known.read)
                    rows.setdefault(name, {}).update({ds: n for ds, (n, _) in marks.items()})
            finally:
                known.release()
    return {"days": len(days), "rows": rows}
