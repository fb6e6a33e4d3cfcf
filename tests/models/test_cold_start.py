"""Visitors without a history and items on their first night, on planted tastes."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from lake.clock import shift
from lake.columns import Columns as C
from lake.settings import Settings
from models import cold_start
from models.bundle import Bundle
from models.config import TrainingConfig
from models.policy.segments import own_taste
from models.snapshot import Snapshot
from tests.models import planted, small_shop
from tests.models.policy import tiny

ITEMS = [f"i{n:02}" for n in range(20)]
AS_OF = shift(planted.FIRST, 20)


def shop(apart: bool) -> Snapshot:
    """200 shoppers of two countries, of which the second likes other items, or the same."""
    rng, events = np.random.default_rng(3), []
    country = {f"u{n:03}": "GB" if n % 2 else "FR" for n in range(200)}
    for user, place in country.items():
        for item in rng.choice(10, 3, replace=False):
            events.append((user, ITEMS[item + 10 * (apart and place == "FR")], "view", 1.0))
    return tiny.snapshot(events, ITEMS, country=country)


def test_a_segments_own_taste_counts_where_it_has_one() -> None:
    alike, apart = shop(apart=False), shop(apart=True)
    assert (own_taste(apart, apart.country, 2) > 0.9).all()
    assert (own_taste(alike, alike.country, 2) < 0.5).all()
    assert (own_taste(apart, np.full(200, -1, np.int32), 2) == 0).all(), "nobody's country is known"
    assert own_taste(apart, apart.country, 2).tolist() == own_taste(apart, apart.country, 2).tolist()


def test_lists_by_context_help_visitors_of_a_country_with_a_taste_of_its_own() -> None:
    made = shop(apart=True)
    seen = [
        ("FR", None, frozenset(ITEMS[10:13])),
        ("XX", "mobile", frozenset(ITEMS[:2])),
        (None, None, frozenset(["?"])),
    ]
    recall = cold_start.recall_by_context(made, seen, 20)
    lists = cold_start.by_context(made, 20)
    assert set(lists["country"]) == {(), ("FR",), ("GB",)}
    assert set(made.items[lists["country"]["FR",]][:10]) == set(ITEMS[10:])
    assert recall["country"].tolist() == [1.0, 1.0, 0.0]
    assert cold_start.by_context(made, 500)["country"].keys() == {()}, "too small for a list of its own"


def test_visitors_are_anonymous_sessions_and_first_days(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path, pseudonymise=False)
    planted.build(settings, 21, [AS_OF])
    tomorrow = shift(AS_OF, 1)
    more = {"session_id": "s1", "country": "FR", "device": "mobile"}
    small_shop.write(
        settings,
        "events",
        [
            small_shop.event(None, "i01", tomorrow, **more),
            small_shop.event(None, "i02", tomorrow, hour=13, **more),
            small_shop.event(None, "i03", tomorrow),  # neither session nor shopper
            small_shop.event("newcomer", "i04", tomorrow, country="GB"),
            small_shop.event("newcomer", "i05", shift(AS_OF, 2), country="GB"),  # no longer without a history
            small_shop.event("u001", "i06", tomorrow),
        ],
    )
    seen = cold_start.visitors(settings, Snapshot.load(settings, AS_OF), 3)
    assert seen == [("FR", "mobile", frozenset({"i01", "i02"})), ("GB", None, frozenset({"i04"}))]
    assert cold_start.visitors(settings, Snapshot.load(settings, AS_OF), 0) == []


def test_a_forgotten_item_is_known_by_its_content_alone(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path, pseudonymise=False)
    planted.build(settings, 21, [AS_OF])
    before = Snapshot.load(settings, AS_OF)
    gone = np.array([3])
    after = cold_start.forgotten(before, gone)
    assert "i03" not in set(after.items)
    assert not (after.events.item == 3).any()
    assert (before.events.item == 3).any(), "the snapshot itself stays as it was"
    assert after.touched[:, 3].nnz == after.co_visitation["together"][3].nnz == 0
    assert after.co_visitation["together"][:, 3].nnz == 0
    assert after.catalogue.category[3] == before.catalogue.category[3]
    assert after.catalogue.age_days[3] < 1
    assert np.isnan(after.item_features[C.count("purchase", 30)][3])
    assert after.user_ptr[-1] == len(after.events)


def test_a_new_item_reaches_those_who_like_its_category_on_the_first_night(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path, pseudonymise=False, list_length=10, surfaces=Path("surfaces").absolute())
    planted.build(settings, 24, [AS_OF])
    made = Snapshot.load(settings, AS_OF)
    age = made.catalogue.age_days.copy()
    age[:], age[5] = 100.0, 2.0
    made = replace(made, catalogue=replace(made.catalogue, age_days=age))
    bundle = Bundle({}, TrainingConfig(sources=("own_items", "new_items", "popular")))
    liked = {user: {f"group {planted.user_group(user)}"} for user in made.users}
    night = cold_start.first_night(settings, bundle, made, "discover", 3, liked)
    assert night is not None
    assert night.items == 1
    assert 0 <= night.lists <= 1
    assert night.audience[0] >= night.others[0]
    aged = replace(made, catalogue=replace(made.catalogue, age_days=np.full(len(age), 100.0, np.float32)))
    assert cold_start.first_night(settings, bundle, aged, "discover", 3, liked) is None
