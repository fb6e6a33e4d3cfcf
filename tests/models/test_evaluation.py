"""Evaluation on the planted shop, and by hand on two shoppers."""

import json
import math
from datetime import timedelta

import numpy as np
import pytest

from lake.clock import DayRange, shift
from lake.errors import BadInput
from lake.settings import Settings
from models import evaluation
from models.baselines import BASELINES, popular
from models.evaluation import evaluate, evaluate_bundles, list_maker
from models.snapshot import Snapshot
from tests.models import small_shop
from tests.models.small_shop import FIRST, TasteBundle, event

CUT = FIRST + timedelta(days=13)
WINDOW = DayRange(shift(CUT, 1), shift(CUT, 5))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(var=tmp_path_factory.mktemp("shop"), pseudonymise=False)
    span = DayRange(FIRST, WINDOW.last)
    small_shop.write(settings, "events", small_shop.events(span))
    small_shop.features(settings, [CUT])
    return settings


@pytest.fixture(scope="module")
def snapshot(shop: Settings) -> Snapshot:
    return Snapshot.load(shop, CUT)


def test_by_hand(tmp_settings: Settings) -> None:
    """u000 had i01 and takes i01, i02 and an item unknown at the cut; u001 had i02 and takes it again."""
    small_shop.write(tmp_settings, "events", [event("u000", "i01", CUT), event("u001", "i02", CUT)])
    small_shop.features(tmp_settings, [CUT])
    known = Snapshot.load(tmp_settings, CUT)
    i01, i02 = (int(n) for n in known.items_of(["i01", "i02"]))

    def fixed(_: Snapshot, users: list[str], k: int, only_new: bool) -> np.ndarray:
        rows = [[i02, -1], [i01, -1]] if only_new else [[i02, i01], [i01, i02]]
        return np.array(rows[: len(users)])

    truth = {"u001": {"i02"}, "u000": {"i01", "i02", "unheard of"}, "stranger": {"i01"}}
    found = evaluate({"fixed": fixed, "popular_7d": popular}, known, truth, WINDOW, k=2)
    assert list(found.users) == ["u000", "u001"]
    values = found.rankers["fixed"].values
    assert values["all.recall"].tolist() == [1.0, 1.0]
    assert values["all.ndcg"] == pytest.approx([1.0, 1 / math.log2(3)])
    assert values["all.mrr"].tolist() == [1.0, 0.5]
    assert values["new.recall"][0] == 0.5
    assert np.isnan(values["new.recall"][1])
    assert np.isnan(values["new.hit_rate"][1])
    assert found.targets == (2.0, 0.5)
    assert found.rankers["fixed"].coverage == pytest.approx(2 / 60)


def test_the_planted_truth_wins_and_the_difference_is_paired(shop: Settings, snapshot: Snapshot) -> None:
    found = evaluate_bundles(shop, {"champion": TasteBundle(CUT)}, snapshot, WINDOW)
    assert list(found.rankers) == ["champion", *BASELINES]
    assert found.best_baseline == "own_items"
    assert found.difference("champion", "popular_7d", "all.ndcg").low > 0
    assert found.ratio("champion", "own_items", "new.recall").low > 1
    assert found.rankers["champion"].estimate("gauc").mean > 0.8
    for measured in found.rankers.values():
        for name, values in measured.values.items():
            assert values.shape == (len(found.users),), name


def test_a_bundle_that_saw_the_window_is_marked_not_judged(shop: Settings, snapshot: Snapshot) -> None:
    found = evaluate_bundles(
        shop, {"champion": TasteBundle(shift(CUT, 1)), "other": TasteBundle(CUT)}, snapshot, WINDOW
    )
    assert "trained through" in found.rankers["champion"].refused
    assert "champion    not judged: trained through" in found.table()
    assert "refused" in found.as_dict()["rankers"]["champion"]
    assert found.as_dict()["rankers"]["other"]["all.ndcg@20"]["low"] > 0


def test_the_result_is_strict_json_and_the_table_names_everybody(shop: Settings, snapshot: Snapshot) -> None:
    found = evaluate_bundles(shop, {"champion": TasteBundle(CUT)}, snapshot, WINDOW, k=5)
    figures = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert figures["users"] == len(found.users)
    assert figures["rankers"]["popular_7d"]["gauc"]["mean"] is None
    assert figures["rankers"]["champion"]["all.recall@5"]["mean"] == pytest.approx(
        found.rankers["champion"].values["all.recall"].mean()
    )
    table = found.table()
    assert all(name in table for name in ("champion", *BASELINES, "NDCG@5"))


def test_users_in_any_order_get_the_same_lists(snapshot: Snapshot) -> None:
    maker, users = list_maker(TasteBundle(CUT)), snapshot.users[:20].tolist()
    forward, backward = maker(snapshot, users, 10, False), maker(snapshot, users[::-1], 10, False)
    assert forward.tolist() == backward[::-1].tolist()
    assert (forward >= 0).all()


def test_a_window_that_nobody_reaches_is_refused(shop: Settings, snapshot: Snapshot) -> None:
    empty = DayRange(shift(CUT, 100), shift(CUT, 101))
    with pytest.raises(BadInput, match="no shopper known"):
        evaluate_bundles(shop, {}, snapshot, empty)
    with pytest.raises(BadInput, match="begins before the cut"):
        evaluate_bundles(shop, {}, snapshot, DayRange(CUT, CUT))
    with pytest.raises(BadInput, match="newest events"):
        evaluation.run(shop, WINDOW.last)
