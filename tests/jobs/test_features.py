"""All features of a day together: reruns, the order of rows, empty days, the lake they leave behind."""

import shutil

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs import features
from jobs.spark import read, uri
from lake import storage
from lake.clock import DayRange
from lake.columns import Columns as C
from lake.partitions import recorded
from lake.settings import Settings
from tests.jobs import planted_log as log
from tests.jobs.planted_log import DAY

pytestmark = pytest.mark.integration

MADE = ["items", "users", "user_features", "item_features", "co_visitation"]


def test_a_rerun_changes_nothing_whatever_the_order_of_rows(spark: SparkSession, planted: Settings, tmp_path) -> None:
    settings = log.settings_on(tmp_path / "lake")
    shutil.copytree(planted.lake_root, settings.lake_root)
    days, key = DayRange(DAY, DAY), DAY.isoformat()
    first = features.run(settings, days, spark)
    written = {name: (recorded(settings, name), storage.version(settings, name)) for name in MADE}
    assert first["rows"]["user_features"] == {key: 6}
    assert storage.read(settings, "users", ds=key, columns=[C.USER_ID]).num_rows == 6

    events = read(spark, settings, "events").repartition(3, F.rand(3)).sortWithinPartitions(F.rand(4))
    events.write.format("delta").mode("overwrite").partitionBy(C.DS).save(uri(settings, "events"))
    assert features.run(settings, days, spark) == first
    assert {name: (recorded(settings, name), storage.version(settings, name)) for name in MADE} == written


def test_a_log_without_events_gives_empty_partitions(spark: SparkSession, tmp_path) -> None:
    settings = log.settings_on(tmp_path / "lake")
    result = features.run(settings, DayRange(DAY, DAY), spark)
    assert result == {"days": 1, "rows": {name: {DAY.isoformat(): 0} for name in MADE}}
    assert all(recorded(settings, name) == {DAY.isoformat(): (0, "0" * 16)} for name in MADE)
