"""Judging on a lake with a planted truth: quiet days keep, a drift is seen once and on its day."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lake.clock import day_end, shift
from lake.errors import BadInput
from lake.settings import Settings
from models import decisions, judging
from models.auc_estimator import auc_on_day, judge_pairs, pool, reference
from models.judging import Champion, judge
from models.snapshot import Snapshot
from models.verdict import Reference
from tests.models import small_shop
from tests.models.small_shop import FIRST, ITEMS, TasteBundle

QUIET_DAYS = 30
DRIFT_ON = FIRST + timedelta(days=24)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """40 quiet days. Tests that add anything make their own."""
    settings = shop_settings(tmp_path_factory.mktemp("shop"))
    small_shop.build(settings, 40)
    return settings


@pytest.fixture(scope="module")
def drifting(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = shop_settings(tmp_path_factory.mktemp("drifting"))
    small_shop.build(settings, 36, drift_on=DRIFT_ON)
    return settings


def shop_settings(var: Path) -> Settings:
    # about 60 shoppers a day: one day suffices, so that a drift is not diluted by the days before it
    return Settings(var=var, pseudonymise=False, judge_users=50, retrain_every_days=0)


def champion(
    version: str, bundle: TasteBundle, settings: Settings | None = None, reference: Reference | None = None
) -> Callable[[Settings], Champion]:
    return lambda _: Champion(version, bundle, reference)


def held_out(bundle: TasteBundle, settings: Settings) -> Reference:
    found = Reference.of(
        reference(bundle, settings, shift(bundle.trained_through, 1), shift(bundle.trained_through, 3))
    )
    assert found is not None
    return found


def test_the_estimator_finds_the_planted_auc(shop: Settings) -> None:
    """Nine of ten positives lie in the taste; of the negatives, drawn by popularity, one in six does."""
    bundle = TasteBundle(FIRST)
    judged = auc_on_day(bundle, shop, FIRST + timedelta(days=10))
    inside = 0.9 + 0.1 / 6
    expected = inside * (1 - 1 / 12) + (1 - inside) * (5 / 6 / 2)
    assert judged.auc.mean() == pytest.approx(expected, abs=0.04)
    assert 45 <= len(judged.users) <= 75
    assert bundle.asked == [FIRST + timedelta(days=9)]


def test_the_estimator_is_the_same_in_any_row_order_and_process(shop: Settings, tmp_path: Path) -> None:
    other = shop_settings(tmp_path)
    rows = small_shop.events([FIRST + timedelta(days=n) for n in range(12)])
    small_shop.write(other, "events", [rows[n] for n in np.random.default_rng(3).permutation(len(rows))])
    small_shop.features(other, [FIRST + timedelta(days=10)])
    day = FIRST + timedelta(days=11)
    one, two = (auc_on_day(TasteBundle(FIRST), settings, day) for settings in (shop, other))
    assert one.users.tolist() == two.users.tolist()
    np.testing.assert_array_equal(one.auc, two.auc)


def test_a_future_and_a_late_fact_change_nothing(tmp_path: Path) -> None:
    settings = shop_settings(tmp_path)
    small_shop.build(settings, 8)
    day = FIRST + timedelta(days=7)

    class Counting(TasteBundle):
        def score_pairs(self, snapshot: Snapshot, users: list[str], items: list[str]) -> np.ndarray:
            count = np.bincount(snapshot.events.item, minlength=len(snapshot.items))
            return count[snapshot.items_of(items)].astype(np.float32)

    before = auc_on_day(Counting(FIRST), settings, day)
    known = before.users[0]
    late = small_shop.event("u001", "i59", shift(day, -1)) | {"ingested_ts": day_end(day) + timedelta(days=1)}
    future = small_shop.event("stranger", "i59", day, hour=1.0)
    small_shop.write(settings, "events", [future, *[late | {"event_id": f"late{n}"} for n in range(500)]])
    after = auc_on_day(Counting(FIRST), settings, day)
    assert known in after.users
    np.testing.assert_array_equal(before.auc, after.auc)
    assert after.strangers == before.strangers + 1


def test_negatives_are_popular_known_and_not_the_shoppers_own(shop: Settings) -> None:
    snapshot = Snapshot.load(shop, FIRST + timedelta(days=9))
    asked: list[tuple[str, str]] = []

    class Recording(TasteBundle):
        def score_pairs(self, snapshot: Snapshot, users: list[str], items: list[str]) -> np.ndarray:
            asked.extend(zip(users, items, strict=True))
            return np.zeros(len(users), np.float32)

    truth = {"u001": {"i10", "i11", "new item"}, "u002": {"i20"}, "stranger": {"i10"}}
    judged = judge_pairs(Recording(FIRST), snapshot, truth, FIRST + timedelta(days=10), shop)
    assert judged.auc.tolist() == [0.5, 0.5]
    assert (judged.positives, judged.unseen, judged.strangers) == (3, 1, 1)
    mine = [item for user, item in asked if user == "u001"]
    assert len(mine) == 2 + shop.judge_negatives
    assert set(mine[2:]).isdisjoint({"i10", "i11"})
    counts = np.bincount(snapshot.events.item, minlength=len(ITEMS))
    drawn = np.array([counts[ITEMS.index(item)] for _, item in asked])
    assert drawn.mean() > 1.5 * counts.mean()
    assert {item for user, item in asked if user == "u002"} != set(mine)


def test_a_shopper_who_touched_the_whole_catalogue_is_left_out(shop: Settings) -> None:
    snapshot = Snapshot.load(shop, FIRST + timedelta(days=9))
    truth = {"u001": set(ITEMS), "u002": {"i20"}}
    assert judge_pairs(TasteBundle(FIRST), snapshot, truth, FIRST, shop).users.tolist() == ["u002"]


def test_pooling_stops_when_enough_shoppers_are_found_and_never_reaches_the_training(shop: Settings) -> None:
    last = FIRST + timedelta(days=20)
    bundle = TasteBundle(FIRST + timedelta(days=17))
    assert len(pool(bundle, shop, shift(last, -13), last).days) == 1
    many = shop.model_copy(update={"judge_users": 1000})
    result = judge(many, last, find_champion=champion("9", bundle))
    assert result["figures"]["days"] == [shift(last, -n).isoformat() for n in range(3)]
    assert 60 < result["figures"]["users"] <= 90
    assert min(bundle.asked) >= bundle.trained_through


def test_the_first_night_asks_for_a_bundle_and_once_it_stands_the_day_is_settled(tmp_path: Path) -> None:
    settings = shop_settings(tmp_path)
    small_shop.build(settings, 3)
    day = FIRST + timedelta(days=2)
    first = judge(settings, day, "run 1", lambda _: None)
    assert first["decision"] == "bootstrap"
    again = judge(settings, day, "run 2", lambda _: None)
    assert again == first | {"reused": True}
    after = judge(settings, day, "run 3", champion("1", TasteBundle(day)))
    assert after["decision"] == "keep"
    assert "trained through" in after["reason"]
    assert [row["kind"] for row in decisions.history(settings)] == ["bootstrap", "keep"]


def test_thirty_quiet_days_trigger_nothing(shop: Settings) -> None:
    bundle = TasteBundle(FIRST)
    stored = held_out(bundle, shop)
    found = [
        judge(shop, FIRST + timedelta(days=5 + n), find_champion=champion("quiet", bundle, shop, stored))
        for n in range(QUIET_DAYS)
    ]
    assert [result["decision"] for result in found] == ["keep"] * QUIET_DAYS
    assert min(result["figures"]["users"] for result in found) >= shop.judge_min_users


def test_a_drift_triggers_training_once_on_its_day(drifting: Settings, told: Any) -> None:
    old = TasteBundle(FIRST + timedelta(days=14), DRIFT_ON)
    serving = Champion("1", old, held_out(old, drifting))
    said: dict[date, str] = {}
    for n in range(18, 36):
        day = FIRST + timedelta(days=n)
        result = judge(drifting, day, find_champion=lambda _, serving=serving: serving)
        said[day] = result["decision"]
        if result["decision"] == "retrain":
            drop = 1 - result["figures"]["auc"] / result["figures"]["reference_auc"]
            assert told("nightshelf_judging_auc_drop_ratio") == {(): pytest.approx(drop)}
            assert told("nightshelf_judging_auc_drop_limit_ratio") == {(): drifting.auc_drop}
            assert told("nightshelf_judging_verdict") == {("bootstrap",): 0, ("keep",): 0, ("retrain",): 1}
            assert told("nightshelf_judging_bundle_version") == {(): 1}
            assert result["figures"]["cause"] == "drift"
            assert result["intervals"]["auc"][1] < result["thresholds"]["drift_auc"]
            new = TasteBundle(day, DRIFT_ON)
            serving = Champion("2", new, Reference(serving.reference.auc if serving.reference else 0.0))
    assert [day for day, kind in said.items() if kind == "retrain"] == [DRIFT_ON]
    assert told("nightshelf_judging_retrainings") == {(): 1}
    assert told("nightshelf_judging_verdict")[("keep",)] == 1


def test_a_drift_whose_training_was_not_promoted_asks_again_after_the_cool_down(tmp_path: Path) -> None:
    settings = shop_settings(tmp_path)
    small_shop.build(settings, 24, drift_on=FIRST + timedelta(days=12))
    old = TasteBundle(FIRST + timedelta(days=5), FIRST + timedelta(days=12))
    find = champion("1", old, settings, held_out(old, settings))
    told = [judge(settings, FIRST + timedelta(days=n), find_champion=find) for n in range(10, 24)]
    asked = [n for n, result in zip(range(10, 24), told, strict=True) if result["decision"] == "retrain"]
    assert asked == [12, 12 + settings.retrain_cooldown_days]
    assert "asked for on 2026-10-13" in told[3]["reason"]


class HalfTaught(TasteBundle):
    """Trained on the drift's first day: it knows the new tastes of half of the shoppers, and nothing of the others."""

    def __init__(self, trained_through: date, drift_on: date) -> None:
        super().__init__(trained_through, drift_on)
        self.taste = {shopper: group if int(shopper[1:]) % 2 else -1 for shopper, group in self.taste.items()}


@pytest.mark.parametrize(
    ("first_day", "asked"), [(9, []), (12, []), (13, [19])], ids=["across_the_drift", "on_its_day", "after_it"]
)
def test_a_bundle_is_not_held_against_days_before_the_drift_that_it_was_trained_for(
    tmp_path: Path, first_day: int, asked: list[int]
) -> None:
    """`first_day`: first day of its reference; one after the drift is a promise that it can be held to."""
    settings = shop_settings(tmp_path)
    drift_on = FIRST + timedelta(days=12)
    small_shop.build(settings, 24, drift_on=drift_on)
    old = TasteBundle(FIRST + timedelta(days=5), drift_on)
    assert (
        judge(settings, drift_on, find_champion=champion("1", old, None, held_out(old, settings)))["decision"]
        == "retrain"
    )
    trained = FIRST + timedelta(days=max(first_day, 12))
    better_than_it_can_be = Reference(0.85, 0.84, 0.86, since=FIRST + timedelta(days=first_day))
    find = champion("2", HalfTaught(trained, drift_on), None, better_than_it_can_be)
    told = {
        n: judge(settings, FIRST + timedelta(days=n), find_champion=find) for n in range((trained - FIRST).days + 1, 24)
    }
    # the cool-down of the first question holds until the 19th day, and so would hide a second one
    assert [n for n, result in told.items() if result["decision"] == "retrain"] == asked
    if not asked:
        assert told[13]["figures"]["reference_auc"] is None
        assert told[14]["figures"]["reference_auc"] == told[13]["figures"]["auc"]
        assert "when it was first judged" in told[14]["reason"]


def test_a_day_judged_twice_has_one_row_and_one_answer(tmp_path: Path) -> None:
    settings = shop_settings(tmp_path)
    small_shop.build(settings, 6)
    day = FIRST + timedelta(days=5)
    find = champion("1", TasteBundle(FIRST))
    first = judge(settings, day, "run 1", find)
    small_shop.write(settings, "events", small_shop.events([day], drift_on=FIRST, seed=9))
    assert judge(settings, day, "run 2", find) == first | {"reused": True}
    assert len(decisions.history(settings)) == 1
    assert judge(settings, day, "run 3", champion("2", TasteBundle(FIRST)))["reused"] is False


def test_without_features_the_day_is_kept_and_judged_once_they_come(tmp_path: Path) -> None:
    settings = shop_settings(tmp_path)
    days = [FIRST + timedelta(days=n) for n in range(6)]
    small_shop.write(settings, "events", small_shop.events(days))
    find = champion("1", TasteBundle(days[4]))
    blind = judge(settings, days[5], find_champion=find)
    assert blind["decision"] == "keep"
    assert f"no features as of {days[4]}" in blind["reason"]
    assert blind["figures"]["auc"] is None
    small_shop.features(settings, [days[4]])
    assert judge(settings, days[5], find_champion=find)["figures"]["users"] > 40


def test_a_bundle_without_reference_is_held_against_its_first_judged_day(drifting: Settings) -> None:
    find = champion("no reference", TasteBundle(FIRST + timedelta(days=20), DRIFT_ON))
    first = judge(drifting, shift(DRIFT_ON, -2), find_champion=find)
    assert "this figure becomes it" in first["reason"]
    second = judge(drifting, shift(DRIFT_ON, -1), find_champion=find)
    assert second["figures"]["reference_auc"] == first["figures"]["auc"]
    # retrain_cooldown looks at the whole table, in which another test's drift may stand on DRIFT_ON already
    third = judge(drifting, DRIFT_ON, find_champion=find)
    assert third["figures"]["cause"] == "drift"


def test_the_reference_refuses_days_of_the_training(shop: Settings) -> None:
    with pytest.raises(BadInput, match="trained through"):
        reference(TasteBundle(FIRST + timedelta(days=5)), shop, FIRST + timedelta(days=5), FIRST + timedelta(days=9))


@pytest.mark.parametrize(
    "manifest",
    [
        {"reference_auc": 0.8},
        {"metrics": {"reference_auc": 0.8}},
        {"reference": {"reference_auc": 0.8, "reference_low": 0.7, "reference_high": 0.9}},
    ],
    ids=["top", "metrics", "own_entry"],
)
def test_the_reference_is_found_in_a_manifest(manifest: dict) -> None:
    found = judging.stored_reference(manifest)
    assert found is not None
    assert found.auc == 0.8


def test_no_reference_in_a_manifest_is_none() -> None:
    assert judging.stored_reference({"metrics": {"reference_auc": None}}) is None


def test_published_lists_are_told_but_do_not_decide(tmp_path: Path) -> None:
    settings = shop_settings(tmp_path)
    small_shop.build(settings, 4)
    day = FIRST + timedelta(days=3)
    small_shop.write(settings, "events", [small_shop.event("u000", "i07", day), small_shop.event("u001", "i08", day)])
    rows = [("u000", 1, "i07"), ("u000", 2, "i50"), ("u001", 1, "i51"), ("absent", 1, "i07")]
    listed = [
        {"surface": "home", "kind": "user", "owner": u, "rank": r, "item_id": i, "ds": shift(day, -2).isoformat()}
        for u, r, i in rows
    ]
    discover = listed[0] | {"surface": "discover", "owner": "u005"}
    small_shop.write(settings, "lists", [*listed, discover])
    result = judge(settings, day, find_champion=champion("1", TasteBundle(FIRST)))
    figures = result["figures"]
    assert (figures["lists_ds"], figures["lists_age_days"]) == (shift(day, -2).isoformat(), 2)
    assert (figures["lists_users"], figures["lists_judged"]) == (3, 2)
    assert 0 < figures["lists_ndcg20"] < 1
    assert 0.9 < figures["lists_fallback_share"] < 1
    assert result["decision"] == "keep"


def test_the_page_shows_the_decision_and_the_history(drifting: Settings) -> None:
    find = champion("page", TasteBundle(FIRST + timedelta(days=20), DRIFT_ON))
    judge(drifting, shift(DRIFT_ON, -1), find_champion=find)
    result = judge(drifting, DRIFT_ON, "<run & id>", find)
    page = Path(result["report"]).read_text()
    assert result["report"].endswith(f"reports/judging/{DRIFT_ON}.html")
    assert page.count("<circle") >= 2
    assert "&lt;run &amp; id&gt;" in page
    assert "<run" not in page
    assert f"{result['figures']['auc']:.3f}" in page


def test_the_command_says_in_its_exit_code_that_a_retry_can_help(tmp_path: Path) -> None:
    env = {**os.environ, "VAR": str(tmp_path), "MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "PSEUDONYMISE": "false"}
    command = [sys.executable, "-m", "models.judging", "--ds", "2026-11-20"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 75
    assert "does not answer" in done.stderr


def test_the_result_is_one_json_object(shop: Settings) -> None:
    find = champion("json", TasteBundle(FIRST))
    result = judge(shop, FIRST + timedelta(days=8), find_champion=find)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
