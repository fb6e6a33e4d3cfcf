"""Delivered files: the same bytes however they are made, and the warts at their known rates."""

import csv
import gzip
import io
import json
from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from sources.demo_shop.catalogue import rows
from sources.demo_shop.deliveries import (
    BREAKS,
    BROKEN,
    CATALOGUE_COLUMNS,
    DUPLICATED,
    LATE,
    REDELIVERED,
    Delivery,
    _day,
    catalogue_file,
    delivery,
)
from sources.demo_shop.sessions import happenings
from sources.demo_shop.shop import Shop

SHOP = Shop(shoppers=1200, items=200)
DAYS = [date(2026, 9, 1) + timedelta(days=i) for i in range(8)]


def parsed(file: Delivery) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(file.content).decode().splitlines()]


@pytest.fixture(scope="module")
def week() -> dict[date, Delivery]:
    return {day: delivery(SHOP, day) for day in DAYS}


def test_a_day_made_alone_has_the_same_bytes(week: dict[date, Delivery]) -> None:
    _day.cache_clear()
    assert delivery(SHOP, DAYS[5]).content == week[DAYS[5]].content
    assert delivery(replace(SHOP, seed=9), DAYS[5]).content != week[DAYS[5]].content


def test_days_before_a_drift_do_not_depend_on_it(week: dict[date, Delivery]) -> None:
    drifting = replace(SHOP, drift_on=DAYS[5])
    assert delivery(drifting, DAYS[4]).content == week[DAYS[4]].content
    assert delivery(drifting, DAYS[5]).content != week[DAYS[5]].content


def test_gzip_header_holds_no_time(week: dict[date, Delivery]) -> None:
    assert week[DAYS[0]].content[4:8] == bytes(4) == catalogue_file(SHOP, DAYS[0])[4:8]


def test_warts_come_at_their_rates_and_the_truth_counts_them(week: dict[date, Delivery]) -> None:
    facts = [file.facts for file in week.values()]
    happened = sum(fact["happened"] for fact in facts)
    assert sum(fact["late_rows"] for fact in facts) / happened == pytest.approx(sum(LATE), rel=0.25)
    assert sum(fact["duplicate_rows"] for fact in facts) / happened == pytest.approx(DUPLICATED, rel=0.4)
    assert sum(fact["redelivered_rows"] for fact in facts) / happened == pytest.approx(REDELIVERED, rel=0.7)
    assert sum(fact["broken_rows"] for fact in facts) / happened == pytest.approx(BROKEN, rel=0.4)
    assert {kind for fact in facts for kind in fact["broken"]} == set(BREAKS)


def test_each_file_holds_what_its_facts_say(week: dict[date, Delivery]) -> None:
    for day in DAYS[3:]:
        file, previous = parsed(week[day]), {row["event_id"] for row in parsed(week[day - timedelta(days=1)])}
        facts, stamp = week[day].facts, f"{day:%Y%m%d}"
        assert len(file) == facts["rows"]
        broken = {row["event_id"] for row in file if row["event_id"].startswith(f"{stamp}-x")}
        sound = [row for row in file if row["event_id"] not in broken]
        counted = Counter(row["event_id"] for row in sound)
        assert len(broken) == facts["broken_rows"]
        again = {row["event_id"] for row in sound if row["event_id"] in previous}
        late = {event_id for event_id in counted if not event_id.startswith(stamp)} - again
        assert (len(late), len(again)) == (facts["late_rows"], facts["redelivered_rows"])
        assert len(file) - len(counted) - len(broken) == facts["duplicate_rows"] - _repeats_of_broken(file, broken)
        on_time = facts["happened"] - facts["held_back"]
        assert on_time == len(counted) - len(late) - len(again)


def _repeats_of_broken(file: list[dict[str, Any]], broken: set[str]) -> int:
    return sum(row["event_id"] in broken for row in file) - len(broken)


def test_copies_are_exact(week: dict[date, Delivery]) -> None:
    lines: dict[str, str] = {}
    repeated = 0
    for file in week.values():
        for line in gzip.decompress(file.content).decode().splitlines():
            name = json.loads(line)["event_id"]
            repeated += name in lines
            assert lines.setdefault(name, line) == line
    assert repeated > 20


def test_every_event_arrives_within_three_days_dated_when_it_arrived(week: dict[date, Delivery]) -> None:
    day = DAYS[0]
    arrived: dict[str, date] = {}
    for delivered in DAYS[:4]:
        for row in parsed(week[delivered]):
            if row["event_id"].startswith(f"{day:%Y%m%d}-") and "-x" not in row["event_id"]:
                arrived.setdefault(row["event_id"], delivered)
                if delivered > day and arrived[row["event_id"]] == delivered:
                    assert row["received"][:10] == delivered.isoformat()
                happened, received = (datetime.fromisoformat(row[name]) for name in ("ts", "received"))
                assert happened.date() == day
                assert happened < received
    assert len(arrived) == len(happenings(SHOP, day)) == week[day].facts["happened"]


def test_catalogue_file_reads_back() -> None:
    read = list(csv.reader(io.StringIO(gzip.decompress(catalogue_file(SHOP, DAYS[0])).decode())))
    assert tuple(read[0]) == CATALOGUE_COLUMNS
    assert read[1:] == [[str(value) for value in row] for row in rows(SHOP, DAYS[0])]
