"""Evaluation on the planted shop, and by hand on two shoppers."""

import json
import math
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from lake.clock import DayRange, shift
from lake.errors import BadInput
from lake.settings import Settings
from models import cuts, evaluation
from models.baselines import BASELINES
from models.bundle import Bundle
from models.cuts import choose, window
from models.evaluation import evaluate, evaluate_bundles, list_maker
from models.evaluation_table import table
from models.registry import Registry
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
    found = evaluate({"fixed": fixed}, known, truth, WINDOW, k=2, detailed=True)
    assert list(found.users) == ["u000", "u001"]
    values = found.rankers["fixed"].values
    assert values["all.recall"].tolist() == [1.0, 1.0]
    assert values["all.ndcg"] == pytest.approx([1.0, 1 / math.log2(3)])
    assert values["all.mrr"].tolist() == [1.0, 0.5]
    assert values["new.recall"][0] == 0.5
    assert np.isnan(values["new.recall"][1])
    assert np.isnan(values["new.hit_rate"][1])
    assert found.targets == (2.0, 0.5)
    fixed_figures = found.rankers["fixed"]
    assert fixed_figures.numbers["all.coverage"] == pytest.approx(2 / 60)
    assert fixed_figures.places.tolist() == [1, 2]
    assert fixed_figures.cold["all.recall"].tolist() == [1.0]
    assert values["items.warm.recall"].tolist() == [1.0, 1.0]
    assert values["items.cold.recall"][0] == 0.0
    assert np.isnan(values["items.hot.recall"]).all()


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
    assert "champion    not judged: trained through" in table(found)
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
    text = table(found)
    assert all(name in text for name in ("champion", *BASELINES, "NDCG@5"))


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
        evaluation.run(shop, [WINDOW.last])


def test_cuts_are_listed_or_counted_back(shop: Settings) -> None:
    assert choose(shop, "2026-10-14", "", 0, 14, 5) == [CUT]
    assert choose(shop, "", "2026-10-14,2026-10-07", 0, 14, 5) == [shift(CUT, -7), CUT]
    assert choose(shop, "2026-10-14", "", 3, 2, 5) == [shift(CUT, -4), shift(CUT, -2), CUT]
    assert choose(shop, "", "", 1, 14, 5) == [CUT]
    with pytest.raises(BadInput, match="no cut given"):
        choose(shop, "", "", 0, 14, 5)
    with pytest.raises(BadInput, match="--cuts lists the cuts itself"):
        choose(shop, "2026-10-14", "2026-10-07", 0, 14, 5)
    assert window(shop, CUT, 30) == WINDOW


def test_bundles_of_cuts(shop: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A day's own bundle comes first, else the version that saw most of what lies before the cut."""
    versions = [
        {"version": "3", "tags": {"ds": "2026-10-14"}},
        {"version": "2", "tags": {"ds": "2026-10-07"}},
        {"version": "4", "tags": {"ds": "2026-10-07"}},
        {"version": "1", "tags": {}},
    ]
    monkeypatch.setattr(Registry, "versions", lambda _: versions)
    monkeypatch.setattr(
        Registry, "resolve", lambda _, wanted: (wanted if wanted.isdecimal() else "7", tmp_path / wanted)
    )
    monkeypatch.setattr(Bundle, "load", classmethod(lambda _, path: path.name))
    early, before = shift(CUT, -7), shift(CUT, -8)
    found = cuts.bundles(shop, [before, early, CUT], [])
    assert found == {before: {}, early: {"bundle": ("4", "version 4")}, CUT: {"bundle": ("3", "version 3")}}
    assert cuts.bundles(shop, [early, CUT], [f"{CUT}=2"])[CUT] == {"bundle": ("2", "version 2")}
    assert cuts.bundles(shop, [CUT], ["2"]) == {CUT: {"version 2": ("2", "version 2")}}
    assert cuts.bundles(shop, [CUT], [str(tmp_path)]) == {CUT: {tmp_path.name: (tmp_path.name, f"folder {tmp_path}")}}
    assert list(cuts.bundles(shop, [CUT], [])[CUT]) == ["champion 7", "challenger 7"]
    with pytest.raises(BadInput, match="is none of the cuts"):
        cuts.bundles(shop, [CUT], [f"{early}=2"])
