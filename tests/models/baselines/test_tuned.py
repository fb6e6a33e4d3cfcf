"""The tuned baselines on a planted log: pairs of items go together, and every shopper has a favourite."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from lake.settings import Settings
from models.baselines import families
from models.baselines import tuned as tuning
from models.baselines.families import FAMILIES
from models.baselines.tuned import TunedBaseline, tuned
from models.baselines.validation import Blend, Validation
from models.interactions import Interactions
from models.snapshot import Snapshot
from tests.models import small_shop
from tests.models.small_shop import FIRST, event

AS_OF = FIRST + timedelta(days=40)
DAYS = 10
USERS = [f"u{n:03d}" for n in range(60)]


def rows() -> list[dict[str, object]]:
    """Whoever takes i02n takes i02n+1 next; one item of ten shoppers' each is bought again and again."""
    rng, found = np.random.default_rng(0), []
    for number, user in enumerate(USERS):
        for visit in range(6):
            day = FIRST + timedelta(days=int(rng.integers(7 * visit, 7 * visit + 6)))
            first = 2 * int(rng.integers(20))
            found += [event(user, f"i{first:02d}", day, hour=1.0), event(user, f"i{first + 1:02d}", day, hour=2.0)]
            found.append(event(user, f"i{40 + number % 6:02d}", day, hour=3.0))
    return found


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    settings = Settings(var=tmp_path_factory.mktemp("lake"), pseudonymise=False)
    small_shop.write(settings, "events", rows())
    small_shop.features(settings, [AS_OF])
    return Snapshot.load(settings, AS_OF)


@pytest.fixture(scope="module")
def baselines(snapshot: Snapshot) -> dict[str, TunedBaseline]:
    return tuned(snapshot, DAYS)[0]


NAMES = ["popular (tuned)", "own items (tuned)", "item-kNN + own", "EASE + own", "iALS + own"]


def test_all_of_them_are_there(baselines: dict[str, TunedBaseline]) -> None:
    assert list(baselines) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_lists_have_no_repeats_honour_only_new_and_know_strangers(
    baselines: dict[str, TunedBaseline], snapshot: Snapshot, name: str
) -> None:
    users = [*USERS[:5], "stranger"]
    for only_new in (False, True):
        lists = baselines[name](snapshot, users, 100, only_new)
        touched = snapshot.touched[snapshot.rows_of(users[:5])].toarray() > 0
        for number, row in enumerate(lists):
            shown = row[row >= 0]
            assert len(set(shown.tolist())) == len(shown)
            hidden = int(touched[number].sum()) if only_new and number < 5 else 0
            assert len(shown) == len(snapshot.items) - hidden
            if hidden:
                assert not touched[number][shown].any()


@pytest.mark.parametrize("name", NAMES)
def test_a_list_does_not_depend_on_the_other_users_and_pairs_score_alike(
    baselines: dict[str, TunedBaseline], snapshot: Snapshot, name: str
) -> None:
    maker = baselines[name]
    together = maker(snapshot, USERS, 10, False)
    assert maker(snapshot, [USERS[7]], 10, False)[0].tolist() == together[7].tolist()
    items = snapshot.items[together[7]].tolist()
    scores = maker.score_pairs(snapshot, [USERS[7]] * len(items), items)
    assert (np.diff(scores) <= 1e-6).all()


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_finds_the_planted_partner(snapshot: Snapshot, family: families.Family) -> None:
    """A shopper of nothing but i04 wants i05 most."""
    log = Interactions.of(snapshot)
    only = int(snapshot.items_of(["i04"])[0])
    user = np.append(log.user, len(USERS)).astype(np.int32)
    more = Interactions(
        log.users + 1,
        log.items,
        user,
        np.append(log.item, only).astype(np.int32),
        np.append(log.age, 1.0).astype(np.float32),
        np.append(log.liked, True),
    )
    scores = family.fit(more, family.grid[0])(np.array([len(USERS)], np.int32))[0]
    scores[only] = -np.inf
    assert snapshot.items[int(scores.argmax())] == "i05"


def test_the_same_log_gives_the_same_lists(baselines: dict[str, TunedBaseline], snapshot: Snapshot) -> None:
    again = tuned(snapshot, DAYS)[0]
    for name, maker in baselines.items():
        assert maker.figures() == again[name].figures()
        for only_new in (False, True):
            one, two = (each(snapshot, USERS, 20, only_new) for each in (maker, again[name]))
            np.testing.assert_array_equal(one, two)


def test_tuning_sees_the_validation_window_only(snapshot: Snapshot) -> None:
    """What is chosen has the highest NDCG there, and own items beat the popular ones on a log of favourites."""
    window = Validation.of(Interactions.of(snapshot), DAYS)
    assert 0 < len(window.rows) <= len(USERS)
    assert (window.log.age >= 0).all()
    assert len(window.log.age) < len(snapshot.events)
    made = tuned(snapshot, DAYS)[0]
    own, popular = made["own items (tuned)"].choices["all"], made["popular (tuned)"].choices["all"]
    assert own.ndcg > popular.ndcg > 0
    alone = window.ndcg(
        None, window.log.habit(own.half_life), window.log.popularity(own.popular_days), [own.blend], False
    )
    assert own.ndcg == pytest.approx(alone[0])


def test_a_log_without_a_validation_window_takes_the_first_of_each_grid(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path, pseudonymise=False)
    small_shop.write(settings, "events", [event("u000", "i01", FIRST), event("u001", "i02", FIRST)])
    small_shop.features(settings, [FIRST])
    made, left_out = tuned(Snapshot.load(settings, FIRST), 14)
    assert not left_out
    assert made["EASE + own"].choices["all"].parameters == FAMILIES[1].grid[0]
    assert np.isnan(made["EASE + own"].choices["all"].ndcg)
    lists = made["EASE + own"](Snapshot.load(settings, FIRST), ["u000", "nobody"], 5, False)
    assert lists.shape == (2, 5)
    assert (lists >= 0).all()


def test_a_catalogue_too_large_for_ease_leaves_it_out_and_says_so(
    snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "FAMILIES", (replace(FAMILIES[1], most_items=10),))
    made, left_out = tuned(snapshot, DAYS)
    assert list(made) == NAMES[:2]
    assert left_out == {"EASE + own": "the catalogue has 60 items; EASE takes part up to 10"}


def test_weights_of_a_blend_do_what_they_say(snapshot: Snapshot) -> None:
    window = Validation.of(Interactions.of(snapshot), DAYS)
    own, popularity = window.log.habit(30), window.log.popularity(30)
    blends = [Blend(0.0, 1.0), Blend(1.0, 0.0), Blend(1000.0, 1.0)]
    popular, mine, mostly = window.ndcg(None, own, popularity, blends, False)
    assert mine > popular
    assert mostly > popular
