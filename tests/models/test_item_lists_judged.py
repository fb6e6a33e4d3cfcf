"""The judge of item lists, on baskets and truths small enough to reckon by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from lake.clock import shift
from lake.errors import BadInput
from lake.settings import Settings
from models import item_lists_judged as judge
from models.metrics import PAD
from models.snapshot import Snapshot
from tests.models import planted, small_shop
from tests.models.policy import tiny

AS_OF = shift(planted.FIRST, 20)


def lists(*rows: list[int]) -> judge.Lists:
    made = np.full((len(rows), judge.K), PAD, np.int64)
    for row, items in enumerate(rows):
        made[row, : len(items)] = items
    return made


def test_an_item_taken_out_is_found_by_the_lists_of_the_others() -> None:
    ten = list(range(5, 15))
    right, none = lists([1], [0], *[[]] * 14), lists(*[[]] * 16)
    crowded = lists([*ten, 1], [*ten, 0], *[[]] * 14)
    at10, at20 = judge.held_out({"right": right, "none": none, "crowded": crowded}, [np.array([0, 1], np.int32)])
    assert [at10.figures[name].tolist() for name in ("right", "none", "crowded")] == [[1.0], [0.0], [0.0]]
    assert at20.figures["crowded"].tolist() == [1.0]


def test_an_item_of_the_basket_is_no_answer() -> None:
    (at10, _) = judge.held_out({"a": lists([1, 2], [2, 0], [0, 1])}, [np.array([0, 1, 2], np.int32)])
    assert at10.figures["a"].tolist() == [1.0]


def test_planted_partners_are_recalled_and_strangers_cost_precision() -> None:
    made = tiny.snapshot([], ["a", "b", "c", "d"], out_of_stock=["d"])
    truth = {"a": ["b"], "b": ["a", "gone"], "c": ["nowhere"], "d": ["a"], "unknown": ["a"]}
    recall, precision, first = judge.planted({"x": lists([2, 1], [0], [], [])}, made, truth, "complements")
    assert recall.figures["x"].tolist() == [1.0, 1.0]
    assert precision.figures["x"].tolist() == [0.5, 1.0]
    assert first.figures["x"].tolist() == [0.0, 1.0]


def test_the_simple_lists_are_what_they_say() -> None:
    baskets = [("u1", "a"), ("u1", "b"), ("u2", "a"), ("u2", "b"), ("u3", "a"), ("u3", "c")]
    events: list[tiny.Event] = [(user, item, "purchase", 1.0) for user, item in baskets]
    events += [("u4", item, "view", 1.0) for item in ("c", "d")]
    found = judge.baselines(tiny.snapshot(events, ["a", "b", "c", "d"], category=["x", "x", "x", None]))
    assert found["bought together"][0, :3].tolist() == [1, 2, PAD]
    assert found["seen together"][3, :2].tolist() == [2, PAD]
    assert found["popular"][1, :3].tolist() == [0, 2, 3]
    assert found["best of category"][2, :3].tolist() == [0, 1, PAD]
    assert found["best of category"][3, 0] == PAD


def test_a_lake_is_judged_on_the_days_after_and_on_a_truth(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path / "var", pseudonymise=False)
    planted.build(settings, 25, [AS_OF])
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps({"complements": [["i00", "i01"]], "substitutes": {"i00": ["i01", "i02"]}}))
    judged = judge.run(settings, AS_OF, 4, None, truth)
    figures = {each.measure: each.figures for each in judged}
    by_chance = 10 / len(planted.ITEMS)
    assert figures["next basket: recall@10"]["complements"].mean() > 1.5 * by_chance
    assert figures["planted substitutes: recall@10"]["similar"].tolist() == [1.0]
    assert "planted complements: precision@10" in judge.table(judged)
    with pytest.raises(BadInput, match="no basket"):
        judge.run(settings, AS_OF, 0, None, None)


def test_baskets_are_of_known_items_and_not_of_wholesalers(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path, pseudonymise=False)
    planted.build(settings, 21, [AS_OF])
    day = shift(AS_OF, 1)
    basket = [small_shop.event("u1", item, day, session_id="s1") for item in ("i01", "i02", "no such item")]
    alone = [small_shop.event("u2", "i01", day, session_id="s2")]
    looked = [small_shop.event("u3", item, day, session_id="s3", event_type="view") for item in ("i01", "i02")]
    small_shop.write(settings, "events", [*basket, *alone, *looked])
    (found,) = judge.next_baskets(settings, Snapshot.load(settings, AS_OF), 1)
    assert found.tolist() == [1, 2]
