"""Published lists as rankers: what stands in Redis or the lake, what a shopper without a list gets, what is refused."""

from datetime import timedelta

import numpy as np
import pytest

from jobs.publish import publish
from lake.clock import DayRange, shift
from lake.settings import Settings
from models import published
from models.evaluation import evaluate_bundles
from models.published import PublishedLists
from models.snapshot import Snapshot
from tests.conftest import free_port
from tests.jobs import planted_lists
from tests.models import small_shop
from tests.models.small_shop import FIRST, event

CUT = FIRST + timedelta(days=5)
WINDOW = DayRange(shift(CUT, 1), shift(CUT, 2))
HOME = {
    "u000": ["i02", "i01", "i03", "i04", "i05"],
    "u001": ["i09", "i08", "i07", "i06", "i05"],
    "all": ["i20", "i21", "i22", "i23", "i24"],
    "country=GB": ["i30", "i31", "i32", "i33", "i34"],
}


@pytest.fixture
def shop(tmp_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """u000 and u001 have lists, u002 of GB has none; u000 touched i02 and i01, and takes i02 and i03 in the window."""
    settings = tmp_settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{free_port()}/0"})
    known = [event("u000", "i02", CUT), event("u000", "i01", CUT), event("u001", "i09", CUT), event("u002", "i30", CUT)]
    after = [event(user, item, WINDOW.first) for user, item in (("u000", "i02"), ("u000", "i03"), ("u002", "i31"))]
    small_shop.write(settings, "events", known + after)
    small_shop.features(settings, [CUT])
    small_shop.write(
        settings,
        "user_features",
        [{"user_id": "u002", "ds": CUT.isoformat(), "country": "GB"}],
    )
    monkeypatch.setattr(planted_lists, "item", lambda _, owner, rank: HOME.get(owner, HOME["all"])[rank - 1])
    put(settings, CUT.isoformat())
    return settings


def put(settings: Settings, ds: str) -> None:
    made = [planted_lists.rows("e", ds, ["u000", "u001"], surface=name) for name in ("home", "discover")]
    planted_lists.write(settings, *made)


def names(snapshot: Snapshot, lists: np.ndarray) -> list[list[str]]:
    return [[str(snapshot.items[item]) for item in row if item >= 0] for row in lists]


def found(settings: Settings, surface: str = "home") -> PublishedLists:
    lists = published.find(settings, surface, CUT)
    assert isinstance(lists, PublishedLists), lists
    return lists


def test_from_the_lake_a_shopper_without_a_list_gets_everybodys(shop: Settings) -> None:
    snapshot, lists = Snapshot.load(shop, CUT), found(shop)
    assert lists.told == f"lake, lists of {CUT}"
    shown = lists(snapshot, ["u001", "u000", "stranger"], 3, False)
    assert shown is not None
    assert names(snapshot, shown) == [HOME["u001"][:3], HOME["u000"][:3], HOME["all"][:3]]


def test_what_was_touched_is_left_out_of_new_ones_and_the_rest_moves_up(shop: Settings) -> None:
    snapshot = Snapshot.load(shop, CUT)
    shown = found(shop)(snapshot, ["u000", "stranger"], 4, True)
    assert shown is not None
    assert names(snapshot, shown) == [["i03", "i04", "i05"], HOME["all"][:4]]


def test_a_surface_of_new_items_is_judged_on_new_targets_only(shop: Settings) -> None:
    judged = evaluate_bundles(shop, {}, Snapshot.load(shop, CUT), WINDOW, surfaces=("home", "discover"))
    home, discover = (judged.rankers[f"published {name}"].values for name in ("home", "discover"))
    assert judged.users == ["u000", "u002"]
    assert home["all.recall"].tolist() == [1.0, 0.0]
    assert home["new.recall"].tolist() == discover["new.recall"].tolist() == [1.0, 0.0]
    assert "all.recall" not in discover
    assert judged.contenders == ["published home", "published discover"]


def test_without_lists_it_is_said_why(shop: Settings) -> None:
    told = published.find(shop, "home", shift(CUT, -1))
    assert isinstance(told, str)
    assert "does not answer" in told
    assert f"python -m jobs.lists --ds {shift(CUT, -1)}" in told
    assert "no surface elsewhere" in str(published.find(shop, "elsewhere", CUT))
    judged = evaluate_bundles(shop, {}, Snapshot.load(shop, CUT), WINDOW, surfaces=("elsewhere",))
    assert "no surface elsewhere" in judged.rankers["published elsewhere"].refused


@pytest.mark.integration
def test_redis_gives_what_a_shop_page_would_show(shop: Settings, redis_url: str) -> None:
    settings = shop.model_copy(update={"redis_url": redis_url})
    publish(settings, CUT.isoformat())
    snapshot, lists = Snapshot.load(settings, CUT), found(settings)
    assert lists.told.startswith("Redis, version ")
    shown = lists(snapshot, ["u000", "u002", "stranger"], 20, False)
    assert shown is not None
    assert names(snapshot, shown) == [HOME["u000"], HOME["country=GB"], HOME["all"]]


@pytest.mark.integration
def test_lists_that_know_the_window_are_never_judged(shop: Settings, redis_url: str) -> None:
    settings = shop.model_copy(update={"redis_url": redis_url})
    put(settings, WINDOW.first.isoformat())
    publish(settings, WINDOW.first.isoformat())
    assert found(settings).told == f"lake, lists of {CUT}"
    told = published.find(settings, "home", shift(CUT, -1))
    assert f"Redis holds lists of {WINDOW.first}, which know the window" in str(told)


@pytest.mark.integration
def test_an_earlier_version_is_judged_from_redis_while_it_stands_there(shop: Settings, redis_url: str) -> None:
    settings = shop.model_copy(update={"redis_url": redis_url})
    publish(settings, CUT.isoformat())
    put(settings, WINDOW.first.isoformat())
    publish(settings, WINDOW.first.isoformat())
    told = found(settings).told
    assert told.startswith("Redis, version ")
    assert f"data through {CUT}" in told


@pytest.mark.integration
def test_pseudonyms_of_the_lake_are_the_keys_in_redis(
    shop: Settings, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USER_KEY", "0123456789abcdef")
    settings = Settings(var=shop.var, redis_url=redis_url, pseudonymise=True)
    publish(settings, CUT.isoformat())
    snapshot = Snapshot.load(settings, CUT)
    shown = found(settings)(snapshot, ["u000"], 2, False)
    assert shown is not None
    assert names(snapshot, shown) == [HOME["u000"][:2]]
