"""The shoppers of an experiment: whom it showed which arm, and what they did from then on, a row a shopper."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lake import storage
from lake.clock import DayRange, day_end, day_start, shift
from lake.columns import Columns as C
from lake.settings import Settings
from lake.tables import TABLES
from storefront.contract import CONTROL, Experiment, assign

COLUMNS = ("lists", "shown", "clicks", "fallbacks", "stales", "orders", "revenue", "pieces", "before")

# A log that names no experiment is taken to be of the one that is asked about.
OF_THIS = f"{C.SURFACE} = $surface AND coalesce({C.EXPERIMENT}, $experiment) = $experiment"
STARTED = f"SELECT min({C.DS}) FROM all_impressions WHERE {OF_THIS} AND {C.ARM} IS NOT NULL"
IMPRESSIONS = f"""
SELECT * FROM all_impressions WHERE {OF_THIS} AND {C.DS} BETWEEN $first AND $last
   AND ({C.ARM} IS NOT NULL OR {C.USER_ID} IS NULL)
"""
PURCHASES = f"""
SELECT {C.USER_ID}, {C.EVENT_TS}, {C.SESSION_ID}, {C.QUANTITY}, {C.PRICE} FROM all_events
WHERE {C.EVENT_TYPE} = 'purchase' AND {C.USER_ID} IS NOT NULL AND {C.DS} BETWEEN $since AND $last
"""

USERS = f"""
WITH lists AS (
    SELECT {C.SHOWN_ID}, {C.USER_ID}, {C.ARM}, min({C.SHOWN_TS}) AS seen, count(*) AS shown,
           count_if({C.CLICKED}) AS clicks, bool_or({C.FALLBACK} <> 'user') AS fallback, bool_or({C.STALE}) AS stale
    FROM impressions WHERE {C.USER_ID} IS NOT NULL GROUP BY ALL),
users AS (
    SELECT {C.USER_ID}, arg_min({C.ARM}, seen) AS arm, count(DISTINCT {C.ARM}) AS arms, min(seen) AS first_seen,
           count(*) AS lists, sum(shown) AS shown, sum(clicks) AS clicks,
           count_if(fallback) AS fallbacks, count_if(stale) AS stales
    FROM lists GROUP BY ALL),
orders AS (
    SELECT {C.USER_ID}, coalesce({C.SESSION_ID}, {C.EVENT_TS}::VARCHAR) AS basket,
           sum(coalesce({C.QUANTITY}, 1) * coalesce({C.PRICE}, 0)) AS revenue, sum(coalesce({C.QUANTITY}, 1)) AS pieces
    FROM purchases JOIN users USING ({C.USER_ID})
    WHERE {C.EVENT_TS} >= first_seen AND {C.EVENT_TS} < $end GROUP BY ALL),
bought AS (
    SELECT {C.USER_ID}, count(*) AS orders, sum(revenue) AS revenue, sum(pieces) AS pieces FROM orders GROUP BY ALL),
earlier AS (
    SELECT {C.USER_ID}, sum(coalesce({C.QUANTITY}, 1) * coalesce({C.PRICE}, 0)) AS before
    FROM purchases WHERE {C.EVENT_TS} >= $from_before AND {C.EVENT_TS} < $until_before GROUP BY ALL)
SELECT users.*, coalesce(orders, 0) AS orders, coalesce(revenue, 0) AS revenue, coalesce(pieces, 0) AS pieces,
       coalesce(before, 0) AS before
FROM users LEFT JOIN bought USING ({C.USER_ID}) LEFT JOIN earlier USING ({C.USER_ID}) ORDER BY {C.USER_ID}
"""

BY_DAY = f"""
SELECT {C.DS} AS ds, {C.ARM} AS arm, count(DISTINCT {C.USER_ID}) AS users, count(DISTINCT {C.SHOWN_ID}) AS lists,
       count(*) AS shown, count_if({C.CLICKED})::BIGINT AS clicks
FROM impressions WHERE {C.USER_ID} IS NOT NULL GROUP BY ALL ORDER BY ds, arm
"""


@dataclass(frozen=True)
class Exposed:
    """Shoppers who were shown a list of the experiment within the window.

    Attributes:
        arm: `[users]`, as logged (the first one, if several).
        columns: name -> `[users]`; see `COLUMNS`, and what `metrics` derive of them.
        misassigned: how many were logged in another arm than `assign` gives; they count as logged.
        two_arms: how many were seen in several arms; they are left out everywhere else.
        anonymous_lists: lists shown to visitors whom nobody knew; they are in no arm.
        prices: whether purchases have prices at all.
        started: first day on which anybody was shown the experiment, which may lie before the window.
    """

    arm: npt.NDArray[np.str_]
    columns: Mapping[str, npt.NDArray[np.float64]]
    misassigned: int
    two_arms: int
    anonymous_lists: int
    prices: bool
    started: str | None
    by_day: list[dict[str, Any]]

    def __len__(self) -> int:
        return len(self.arm)


def load(settings: Settings, surface: str, experiment: Experiment, days: DayRange, before_days: int = 28) -> Exposed:
    """Read the exposure log and the purchases of a window.

    Args:
        before_days: of spending before the experiment began, for CUPED.
    """
    with duckdb.connect() as engine:
        for name in ("impressions", "events"):
            engine.register(f"all_{name}", _rows(settings, name))
        asked = {"surface": surface, "experiment": experiment.name}
        ((started,),) = engine.execute(STARTED, asked).fetchall()
        until = min(days.first, date.fromisoformat(started)) if started else days.first
        window = {"first": days.first.isoformat(), "last": days.last.isoformat()}
        engine.execute(f"CREATE TABLE impressions AS {IMPRESSIONS}", asked | window)
        since = shift(until, -before_days)
        engine.execute(f"CREATE TABLE purchases AS {PURCHASES}", {"since": since.isoformat(), "last": window["last"]})
        bounds = {"end": day_end(days.last), "from_before": day_start(since), "until_before": day_start(until)}
        users = engine.sql(USERS, params=bounds).to_arrow_table()
        by_day = engine.sql(BY_DAY).to_arrow_table().to_pylist()
        nobody = f"SELECT count(DISTINCT {C.SHOWN_ID}) FROM impressions WHERE {C.USER_ID} IS NULL"
        ((anonymous,),) = engine.execute(nobody).fetchall()
        ((prices,),) = engine.execute(f"SELECT count({C.PRICE}) > 0 FROM purchases").fetchall()
    several = users["arms"].to_numpy() > 1
    kept = users.filter(pa.array(~several))
    arm = np.array(kept["arm"].to_pylist(), dtype=np.str_)
    ids = kept[C.USER_ID].to_pylist()
    wrong = sum((assign(experiment, user) or CONTROL) != logged for user, logged in zip(ids, arm, strict=True))
    columns = {name: kept[name].cast(pa.float64()).to_numpy() for name in COLUMNS}
    return Exposed(arm, _derived(columns), wrong, int(several.sum()), int(anonymous), bool(prices), started, by_day)


def _derived(columns: dict[str, npt.NDArray[np.float64]]) -> dict[str, npt.NDArray[np.float64]]:
    return columns | {
        "click_rate": columns["clicks"] / np.maximum(columns["shown"], 1),
        "buyer": (columns["orders"] > 0).astype(np.float64),
        "repeat": (columns["orders"] > 1).astype(np.float64),
    }


def _rows(settings: Settings, name: str) -> Any:
    """A table's rows for DuckDB, which reads only what it needs of them."""
    table = storage.open_table(settings, name)
    return TABLES[name].arrow_schema().empty_table() if table is None else table.to_pyarrow_dataset()
