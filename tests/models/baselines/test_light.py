"""The two baselines that need no tuning, on a log small enough to rank by hand."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from lake.settings import Settings
from models.baselines import BASELINES, ListMaker, own_items, popular
from models.snapshot import Snapshot
from tests.models import small_shop
from tests.models.small_shop import FIRST, event

AS_OF = FIRST + timedelta(days=20)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """i05 sells today, i03 sold much three weeks ago, u000 had i03, then i07 and i09 in one basket."""
    settings = Settings(var=tmp_path_factory.mktemp("lake"), pseudonymise=False)
    day = AS_OF - timedelta(days=1)
    rows = [event(f"u{n:03d}", "i05", day, hour=n) for n in range(10, 14)]
    rows += [event(f"u{n:03d}", "i03", FIRST, hour=n) for n in range(10, 20)]
    rows += [event("u000", "i03", FIRST), event("u000", "i07", day, hour=3.0), event("u000", "i09", day, hour=3.0)]
    rows += [event("u001", "i09", day), event(None, "i09", day, hour=2.0)]
    small_shop.write(settings, "events", rows)
    small_shop.features(settings, [AS_OF])
    return Snapshot.load(settings, AS_OF)


def names(snapshot: Snapshot, lists: np.ndarray) -> list[list[str]]:
    return [[str(snapshot.items[item]) for item in row if item >= 0] for row in lists]


def test_popular_is_the_last_week_then_ever(snapshot: Snapshot) -> None:
    lists = names(snapshot, popular(snapshot, ["u000", "nobody"], 5, False))
    assert lists[0] == ["i05", "i09", "i07", "i03", "i00"]
    assert lists[1] == lists[0]


def test_own_items_come_latest_first_with_ties_by_popularity_then_popular(snapshot: Snapshot) -> None:
    lists = names(snapshot, own_items(snapshot, ["u000", "u001", "nobody"], 5, False))
    assert lists == [
        ["i09", "i07", "i03", "i05", "i00"],
        ["i09", "i05", "i07", "i03", "i00"],
        ["i05", "i09", "i07", "i03", "i00"],
    ]


@pytest.mark.parametrize("maker", BASELINES.values(), ids=BASELINES)
def test_only_new_leaves_out_what_was_touched(snapshot: Snapshot, maker: ListMaker) -> None:
    lists = names(snapshot, maker(snapshot, ["u000", "u001"], 60, True))
    assert lists[0][:2] == ["i05", "i00"]
    assert len(lists[0]) == 57
    assert {"i03", "i07", "i09"}.isdisjoint(lists[0])
    assert len(lists[1]) == 59


@pytest.mark.parametrize("maker", BASELINES.values(), ids=BASELINES)
def test_any_k_is_a_prefix_of_the_full_ranking_without_repeats(snapshot: Snapshot, maker: ListMaker) -> None:
    whole = maker(snapshot, ["u001"], 100, False)
    assert sorted(whole[0][:60].tolist()) == list(range(60))
    assert (whole[0][60:] == -1).all()
    for k in (1, 7, 60):
        assert maker(snapshot, ["u001"], k, False)[0].tolist() == whole[0][:k].tolist()


@pytest.mark.parametrize("maker", BASELINES.values(), ids=BASELINES)
def test_a_list_does_not_depend_on_the_other_users(snapshot: Snapshot, maker: ListMaker, tmp_path: Path) -> None:
    users = snapshot.users.tolist()
    together = maker(snapshot, users, 10, False)
    for number in (0, len(users) - 1):
        assert maker(snapshot, [users[number]], 10, False)[0].tolist() == together[number].tolist()
