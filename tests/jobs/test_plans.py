"""How the jobs are carried out: no row passes through Python, and rows move between partitions only where they must."""

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobs import events, land
from jobs.features import build_all
from lake.clock import DayRange
from lake.settings import Settings
from tests.jobs.planted_log import DAY

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from jobs.as_of import AsOf

pytestmark = pytest.mark.integration

PYTHON = re.compile(r"Python|Pandas|ArrowEval|InArrow")
SHUFFLE = "Exchange"

MOVES = {"items": 1, "users": 8, "user_features": 8, "item_features": 11, "co_visitation": 10}

SOURCE = """
name: plain
deliveries: {format: csv, pattern: "{ds}.csv", missing_day: normal, time_zone: UTC, delay: 2h}
events:
  columns: {user_id: who, item_id: what, event_ts: try_to_timestamp(at), price: price}
  event_type: purchase
"""


def nodes(spark: "SparkSession", frame: "DataFrame") -> Counter[str]:
    """Operators of a frame's physical plan by name, those of each cached frame that it reads once."""
    found: Counter[str] = Counter()
    seen: set[int] = set()
    waiting = [frame._jdf.queryExecution().executedPlan()]
    identity = spark._jvm.java.lang.System.identityHashCode  # type: ignore[union-attr]
    while waiting:
        node = waiting.pop()
        name = node.nodeName()
        found[name] += 1
        below = node.children()
        waiting += [below.apply(i) for i in range(below.size())]
        if name.startswith(("InMemoryTableScan", "Scan In-memory")):
            cache = node.relation().cacheBuilder()
            if identity(cache) not in seen:
                seen.add(identity(cache))
                waiting.append(cache.cachedPlan())
    return found


@pytest.fixture(scope="module")
def plans(spark: "SparkSession", known: "AsOf") -> dict[str, Counter[str]]:
    return {name: nodes(spark, frame) for name, frame in build_all(spark, known.settings, DAY, known).items()}


@pytest.mark.parametrize("name", MOVES)
def test_features_are_made_without_python_and_without_needless_shuffles(
    plans: dict[str, Counter[str]], name: str
) -> None:
    assert not [node for node in plans[name] if PYTHON.search(node)]
    assert any(node.startswith("Scan parquet") for node in plans[name]), "the plan was not read to its end"
    assert plans[name][SHUFFLE] == MOVES[name]


def executed(spark: "SparkSession") -> dict[int, str]:
    """Physical plans of the queries that ran in the session, by number."""
    found: Any = spark._jsparkSession.sharedState().statusStore().executionsList()
    ran = [found.apply(i) for i in range(found.size())]
    return {each.executionId(): each.physicalPlanDescription() for each in ran}


def test_cleaning_runs_without_python_whatever_the_ids(spark: "SparkSession", tmp_path: Path) -> None:
    (tmp_path / "plain.yaml").write_text(SOURCE)
    (tmp_path / "in").mkdir()
    lines = ["who,what,at,price", "u1,i1,2026-03-01 09:00:00,1", "cafe\u0301,i\u00e9,2026-03-01 09:00:00,2"]
    (tmp_path / "in" / "2026-03-01.csv").write_text("\n".join(lines) + "\n")
    settings = Settings(
        var=tmp_path / "var",
        source=tmp_path / "plain.yaml",
        data=str(tmp_path / "in"),
        pseudonymise=True,
        user_key="a key of sixteen bytes",
    )
    days = DayRange.parse("2026-03-01")
    land.run(settings, days)
    before = executed(spark)
    assert events.run(settings, days, spark)["rows"] == 2
    ran = {number: plan for number, plan in executed(spark).items() if number not in before}
    assert ran
    assert not [plan for plan in ran.values() if PYTHON.search(plan)]
    moves = sorted(len(re.findall(r"^\(\d+\) Exchange", plan, re.MULTILINE)) for plan in ran.values())
    # Equal rows of a file are numbered, then those of an id are compared; what follows only counts, or sums up.
    assert moves[-1] == 2
    assert set(moves[:-1]) <= {0, 1}
