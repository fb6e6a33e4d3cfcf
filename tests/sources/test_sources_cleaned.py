"""The shipped sources through landing and cleaning: row counts known by hand, and the demo shop's planted truth."""

import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobs import events, land
from lake import storage
from lake.clock import DayRange
from lake.settings import Settings
from sources.demo_shop.__main__ import generate
from sources.demo_shop.shop import Shop

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.integration

REPOSITORY = Path(__file__).resolve().parents[2]
REASON_OF = {
    "bad_quantity": "quantity: not a number",
    "bad_timestamp": "event_ts: cannot be read",
    "unknown_event_type": "event_type: unknown hover",
    "negative_price": "price: negative",
    "far_future": "event_ts: after the day of the delivery",
    "weeks_old": "event_ts: more than 3 days before the delivery",
    "long_user_id": "user_id: longer than 256 bytes",
    "missing_item": "item_id: missing",
}


def cleaned(settings: Settings, spark: "SparkSession", days: DayRange) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Events of the lake, and how often each reason to refuse a row was given."""
    land.run(settings, days, history=True)
    events.run(settings, days, spark)
    refused = storage.read(settings, "quarantine").to_pylist()
    return storage.read(settings, "events").to_pylist(), Counter(row["reason"] for row in refused)


@pytest.mark.parametrize(
    ("name", "days", "kept", "types", "refused"),
    [
        (
            "movielens",
            DayRange(date(2008, 11, 3), date(2008, 11, 5)),
            25,
            {"rating"},
            {
                "value: a rating without value": 1,
                "value: not a number": 1,
                "event_ts: cannot be read": 1,
                "item_id: missing": 1,
            },
        ),
        (
            "retailrocket",
            DayRange(date(2015, 6, 1), date(2015, 6, 2)),
            28,
            {"view", "cart", "purchase"},
            {"event_type: unknown wishlist": 1, "event_ts: cannot be read": 1, "item_id: missing": 1},
        ),
        (
            "rees46",
            DayRange(date(2019, 10, 1), date(2019, 10, 2)),
            18,
            {"view", "cart", "purchase"},
            {
                "price: negative": 1,
                "event_type: unknown hover": 1,
                "event_ts: cannot be read": 1,
                "item_id: missing": 1,
            },
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_public_formats(
    name: str,
    days: DayRange,
    kept: int,
    types: set[str],
    refused: dict[str, int],
    tmp_path: Path,
    spark: "SparkSession",
) -> None:
    settings = Settings(
        var=tmp_path,
        source=REPOSITORY / "sources" / f"{name}.yaml",
        data=str(REPOSITORY / "tests" / "fixtures" / name),
        pseudonymise=False,
        late_days=0,
    )
    found, reasons = cleaned(settings, spark, days)
    assert reasons == refused
    assert len(found) == kept
    assert {row["event_type"] for row in found} == types
    assert all(row["user_id"] is None or row["user_id"].isdigit() for row in found)


def test_demo_shop_matches_its_truth(tmp_path: Path, spark: "SparkSession") -> None:
    days = DayRange(date(2026, 9, 1), date(2026, 9, 6))
    generate(tmp_path / "shop", Shop(shoppers=300, items=80), days)
    settings = Settings(
        var=tmp_path / "var",
        source=REPOSITORY / "sources" / "demo_shop.yaml",
        data=str(tmp_path / "shop"),
        pseudonymise=False,
    )
    found, reasons = cleaned(settings, spark, days)
    truth = json.loads((tmp_path / "shop" / "truth.json").read_text())["days"]

    broken = Counter[str]()
    for facts in truth.values():
        broken.update({REASON_OF[kind]: count for kind, count in facts["broken"].items()})
    assert reasons == broken

    # the last three days still wait for their late events
    per_day = Counter(row["ds"] for row in found)
    complete = sorted(truth)[:3]
    assert {ds: per_day[ds] for ds in complete} == {ds: truth[ds]["happened"] for ds in complete}
    assert len({row["event_id"] for row in found}) == len(found)
    assert not any(row["ingested_assumed"] for row in found), "the log says when its rows arrived"
    late = [row for row in found if (row["ingested_ts"].date() - row["event_ts"].date()).days > 0]
    assert len(late) >= sum(facts["late_rows"] for facts in truth.values())
