"""The bench of the Spark jobs: its reference makes the same rows, and would not pass for it if it did not.

`make bench ONLY=spark` compares the rows before it tells a figure; here a difference is planted.
"""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from infra.bench import duckdb_features
from infra.bench.spark import compare, landed
from infra.bench.spark_profile import OTHER, Profile, covered, profiled
from jobs import events, features
from lake import storage
from lake.clock import DayRange
from sources.demo_shop.shop import Shop

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DAYS = DayRange(date(2026, 11, 18), date(2026, 11, 22))
Tables = dict[str, pa.Table]


@pytest.fixture(scope="module")
def made(spark: "SparkSession", tmp_path_factory: pytest.TempPathFactory) -> tuple[Tables, Tables, Profile]:
    """A small shop's tables by the jobs and by DuckDB, and the profile of the feature jobs."""
    folder: Path = tmp_path_factory.mktemp("shop")
    settings = landed(folder, Shop(seed=3, shoppers=120, items=80), DAYS)
    events.run(settings, DAYS, spark)
    with profiled(spark) as found:
        features.run(settings, DayRange(DAYS.last, DAYS.last), spark)
    ours = {name: storage.read(settings, name) for name in duckdb_features.TABLES}
    return ours, duckdb_features.make(settings, DAYS.last.isoformat(), folder), found


@pytest.mark.integration
@pytest.mark.verify
def test_duckdb_makes_the_rows_of_the_jobs(made: tuple[Tables, Tables, Profile]) -> None:
    ours, theirs, _ = made
    assert compare(ours, theirs) == []
    assert all(table.num_rows > 50 for table in ours.values())


@pytest.mark.integration
@pytest.mark.verify
def test_a_difference_is_told(made: tuple[Tables, Tables, Profile]) -> None:
    ours, theirs, _ = made
    features = theirs["user_features"]
    more = pc.add(features["spend"], pa.array([1e-6] + [0.0] * (features.num_rows - 1)))
    theirs = theirs | {
        "events": theirs["events"].slice(1),
        "user_features": features.set_column(features.column_names.index("spend"), "spend", more),
    }
    n = ours["events"].num_rows
    assert compare(ours, theirs) == [
        f"events has {n} rows and {n - 1}",
        f"user_features.spend differs in 1 of {features.num_rows} rows",
    ]


@pytest.mark.integration
@pytest.mark.verify
def test_a_profile_knows_the_jobs_by_what_they_make(made: tuple[Tables, Tables, Profile]) -> None:
    *_, found = made
    assert {"items", "users", "user_features", "item_features", "co_visitation", "look-back"} <= set(found.parts)
    assert found.parts["co_visitation"].shuffled > 0
    assert all(part.jobs > 0 and part.tasks > 0 for name, part in found.parts.items() if name != OTHER)
    assert 0 < found.in_jobs <= found.seconds
    assert all(name in found.table() for name in found.parts)


def test_time_in_two_jobs_at_once_counts_once() -> None:
    assert covered([]) == 0
    assert covered([(5.0, 6.0), (0.0, 2.0), (1.0, 3.0), (1.5, 1.8)]) == 4.0
