"""Every reason of every list, recomputed from the raw events: no reason may say what the log does not."""

from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from jobs.lists import make
from lake.clock import day_start, shift
from lake.columns import Columns as C
from lake.settings import Settings
from models import surfaces
from models.bundle import Bundle
from models.config import TrainingConfig, TwoTowerConfig
from models.snapshot import Snapshot
from storefront.contract import REASON_CODES
from tests.models import planted
from tests.models.candidates.towers import random_towers
from tests.models.small_shop import write

DAYS = 25
AS_OF = shift(planted.FIRST, DAYS - 1)
NEW, IGNORED = ("n0", "n1"), "old"
"""Two arrivals of the last days and an item of the catalogue that nobody ever touched."""
REPOSITORY = Path(__file__).resolve().parents[2]
Row = dict[str, Any]


class Log:
    """The raw events as of the day, as plain Python sees them."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.bought, self.touched = defaultdict(set), defaultdict(set)
        self.times: dict[tuple[str, str], list[datetime]] = defaultdict(list)
        self.shoppers, self.countries, sessions = defaultdict(set), defaultdict(set), defaultdict(set)
        for row in rows:
            user, item = row[C.USER_ID], row[C.ITEM_ID]
            self.touched[user].add(item)
            self.times[user, item].append(row[C.EVENT_TS])
            self.shoppers[item].add(user)
            self.countries[item].add(row[C.COUNTRY])
            sessions[row[C.SESSION_ID]].add(item)
            if row[C.EVENT_TYPE] == "purchase":
                self.bought[user].add(item)
        self.together = {(a, b) for items in sessions.values() for a in items for b in items if a != b}

    def had_together(self, one: str, other: str) -> bool:
        """In one session, or by one shopper."""
        return (one, other) in self.together or bool(self.shoppers[one] & self.shoppers[other])


def country(user: str) -> str:
    return "DE" if int(user[1:]) % 4 == 0 else "GB"


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """The planted log: two countries, half of it views, two arrivals that some have seen."""
    log = planted.events(DAYS)
    for number, row in enumerate(log):
        row[C.COUNTRY] = country(row[C.USER_ID])
        row[C.EVENT_TYPE] = "view" if number % 2 else "purchase"
        if row[C.DS] >= shift(AS_OF, -3).isoformat() and number % 29 == 0:
            row[C.ITEM_ID] = NEW[0]
    return log


@pytest.fixture(scope="module")
def snapshot(rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    settings = Settings(var=tmp_path_factory.mktemp("reasons"), pseudonymise=False)
    made = planted.features(rows, AS_OF)
    ds = AS_OF.isoformat()
    for name, seen in ((NEW[0], shift(AS_OF, -3)), (NEW[1], AS_OF), (IGNORED, planted.FIRST)):
        entry = {C.ITEM_ID: name, C.CATEGORY: "group 1", C.FIRST_SEEN_TS: day_start(seen), C.DS: ds}
        made["items"].append(entry)
        made["item_features"].append({C.ITEM_ID: name, C.DS: ds})
    for entry in made["user_features"]:
        entry[C.COUNTRY] = country(entry[C.USER_ID])
    for name, table in {"events": rows, **made}.items():
        write(settings, name, table)
    return Snapshot.load(settings, AS_OF)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """Every source there is; without ranker, since order is not the question."""
    config = TrainingConfig(two_tower=TwoTowerConfig(dim=8, title_buckets=64))
    return Bundle({}, config, random_towers(list(planted.ITEMS)))


@pytest.fixture(scope="module")
def lists(bundle: Bundle, snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """All surfaces, for all shoppers and a stranger."""
    settings = Settings(var=tmp_path_factory.mktemp("made"), pseudonymise=False, list_length=len(snapshot.items))
    shown = list(surfaces.load(REPOSITORY / "surfaces").values())
    return make(settings, bundle, "1", snapshot, shown, [*snapshot.users, "stranger"]).to_pylist()


def test_every_reason_of_a_shoppers_list_is_true_of_the_log(
    rows: list[Row], lists: list[Row], bundle: Bundle, snapshot: Snapshot
) -> None:
    log, told = Log(rows), defaultdict(int)
    vectors = bundle.prepared(snapshot).scorers["two_tower"].items  # type: ignore[attr-defined]
    titles = {item: planted.group(item) if item in planted.ITEMS else 1 for item in [*planted.ITEMS, *NEW, IGNORED]}
    for row in (row for row in lists if row[C.KIND] == "user"):
        user, item, code, rests_on = row[C.OWNER], row[C.ITEM_ID], row[C.REASON], row[C.REASON_ITEM]
        told[code] += 1
        assert code in REASON_CODES
        if code == "bought":
            assert rests_on == item in log.bought[user], row
        elif code == "seen":
            assert rests_on is None
            assert item in log.touched[user] - log.bought[user], row
        elif code == "co":
            assert rests_on in log.touched[user], row
            assert rests_on != item
            assert log.had_together(rests_on, item), row
        elif code == "similar":
            assert rests_on in log.touched[user], row
            assert rests_on != item
            if row[C.SOURCE] == "two_tower":
                at, here = snapshot.items_of(sorted(log.touched[user])), snapshot.item_index[item]
                assert (
                    vectors[snapshot.item_index[rests_on]] @ vectors[here] >= (vectors[at] @ vectors[here]).max() - 1e-5
                )
        elif code == "popular":
            assert log.shoppers[item], row
            if rests_on != "all":
                assert rests_on == f"country={country(user)}", row
                assert country(user) in log.countries[item], row
        elif code == "new":
            assert item in NEW, row
            assert rests_on in (None, "group 1")
            if rests_on:
                assert any(titles[had] == 1 for had in log.touched[user]), row
        else:
            assert code == "listed"
            assert item == IGNORED
    assert set(told) == set(REASON_CODES), "every reason was put to the test"


def test_every_source_that_told_a_reason_was_switched_on(lists: list[Row]) -> None:
    told = {row[C.SOURCE] for row in lists if row[C.KIND] == "user"}
    assert {"own_items", "two_tower", "popular", "new_items"} <= told


def test_the_reasons_of_item_and_segment_lists_are_true_of_the_log(
    rows: list[Row], lists: list[Row], bundle: Bundle, snapshot: Snapshot
) -> None:
    log, seen = Log(rows), set()
    vectors = bundle.prepared(snapshot).scorers["two_tower"].items  # type: ignore[attr-defined]
    near = vectors @ vectors.T >= 0.5
    for row in lists:
        owner, item = row[C.OWNER], row[C.ITEM_ID]
        if row[C.KIND] == "item":
            seen.add((row[C.SURFACE], row[C.REASON]))
            assert row[C.REASON_ITEM] == owner != item
            if row[C.REASON] == "co":
                assert (owner, item) in log.together, row
            else:
                assert row[C.REASON] == "similar"
                one, other = snapshot.items_of([owner, item])
                of_a_kind = snapshot.catalogue.category[one] == snapshot.catalogue.category[other]
                assert of_a_kind or near[one, other], row
        elif row[C.KIND] == "segment":
            where = owner.partition("=")[2]
            assert log.shoppers[item], row
            assert (row[C.REASON], row[C.REASON_ITEM]) == ("popular", owner)
            assert not where or where in ("DE", "GB")
    assert ("basket", "co") in seen
    assert ("product", "similar") in seen
    assert ("basket", "similar") not in seen
