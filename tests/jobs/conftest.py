"""The planted log in a lake, once for all feature tests."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from lake.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from jobs.as_of import AsOf


@pytest.fixture(scope="session")
def planted(spark: "SparkSession", tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings on a lake that holds the planted log: `events` and `item_sightings`."""
    from jobs.items import sightings
    from tests.jobs import planted_log as log

    settings = log.settings_on(tmp_path_factory.mktemp("planted"))
    events = log.events_frame(spark, log.alice() + log.others()).persist()
    log.write(settings, "events", events)
    log.write(settings, "item_sightings", sightings(events))
    events.unpersist()
    return settings


@pytest.fixture(scope="session")
def known(spark: "SparkSession", planted: Settings) -> Iterator["AsOf"]:
    """The planted log as of its day."""
    from jobs.as_of import AsOf
    from tests.jobs.planted_log import DAY

    view = AsOf(spark, planted, DAY)
    yield view
    view.release()


@pytest.fixture(scope="session")
def catalogue(spark: "SparkSession") -> "DataFrame":
    """A catalogue for the planted log: A and B share a category, N has no event, the rest is unknown."""
    from tests.jobs.planted_log import at

    rows = [
        ("A", "toys > bears", "Acme", 10.0, at(100)),
        ("B", "toys > bears", None, 5.0, at(100)),
        ("C", "books", "Acme", None, at(100)),
        ("N", "books", None, 20.0, at(4, "00:00")),
        ("Z", None, None, 20.0, at(2)),
    ]
    return spark.createDataFrame(
        rows, "item_id string, category string, brand string, price double, first_seen_ts timestamp"
    ).cache()
