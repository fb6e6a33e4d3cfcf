"""Merchandisers' rules: the file, and what they do to lists - the awkward cases first of all."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lake.errors import BadInput
from lake.settings import Settings
from models.interface import SOURCES
from models.policy import merchandising
from models.policy.merchandising import Numbered, Rule
from models.policy.surface_lists import SurfacePolicy
from models.snapshot import Snapshot
from models.surfaces import Surface
from tests.models.policy import tiny

ITEMS = [f"i{n:02}" for n in range(10)]
SHIPPED = Path(__file__).resolve().parents[3] / "surfaces" / merchandising.FILE
RULE = "rules:\n  - {reason: ok, what: {items: [a]}, pin: 1}\n  - "


def shop(**more: Any) -> Snapshot:
    """i00 is the best-seller; u is British and has two events, v is French and has one."""
    events: list[tiny.Event] = [(f"x{n}", ITEMS[i], "view", 1.0) for i in range(8) for n in range(20 - 2 * i)]
    events += [("u", "i07", "view", 1.0), ("u", "i06", "purchase", 2.0), ("v", "i07", "view", 3.0)]
    country = {"u": "GB", "v": "FR"} | {f"x{n}": "GB" for n in range(20)}
    return tiny.snapshot(events, ITEMS, country=country, **more)


def rules(*written: dict[str, Any]) -> tuple[Numbered, ...]:
    return tuple(Numbered(n, Rule.model_validate({"reason": "test"} | rule)) for n, rule in enumerate(written, 1))


def policy(made: Snapshot, *written: dict[str, Any], k: int = 5, **surface: Any) -> SurfacePolicy:
    full = {"name": "home", "rules": {"recently_bought": None}, "segment_min_shoppers": 1} | surface
    return SurfacePolicy(Surface.model_validate(full), made, k, rules(*written))


def shown(made: Snapshot, *written: dict[str, Any], user: str = "u", k: int = 5, **surface: Any) -> list[str]:
    ranked = tiny.ranked(made, [["i03", "i01", "i06", "i04", "i02", "i05"]])
    return tiny.names(made, policy(made, *written, k=k, **surface).lists(ranked, made.rows_of([user])), 0)


def only(*items: str) -> dict[str, Any]:
    return {"items": list(items)}


def test_a_pin_stands_where_it_was_put_whether_or_not_it_was_found() -> None:
    made = shop()
    ranked = tiny.ranked(made, [["i03", "i01", "i06", "i04", "i02", "i05"]])
    pins = policy(made, {"what": only("i05", "i08"), "pin": 2}).lists(ranked, made.rows_of(["u"]))
    assert tiny.names(made, pins, 0) == ["i03", "i05", "i08", "i01", "i06"]
    assert pins.filled.tolist() == [False, False, True, False, False]
    assert pins.source[1] == ranked.source[0], "a candidate keeps its source's reason"
    assert pins.source[2] == SOURCES.index("popular")


def test_of_two_pins_for_one_place_the_first_in_the_file_has_it() -> None:
    made = shop()
    first, second = {"what": only("i08"), "pin": 1}, {"what": only("i05"), "pin": 1}
    assert shown(made, first, second)[:3] == ["i08", "i05", "i03"]
    assert shown(made, second, first)[:3] == ["i05", "i08", "i03"]
    twice = {"what": only("i08"), "pin": 3}
    assert shown(made, first, twice) == ["i08", "i03", "i01", "i06", "i04"], "one item, one place"


def test_a_pin_out_of_stock_or_touched_on_a_surface_of_new_items_is_left_out_and_the_next_moves_up() -> None:
    pin = {"what": only("i08", "i09"), "pin": 1}
    assert shown(shop(out_of_stock=["i08"]), pin)[:2] == ["i09", "i03"]
    assert "i07" not in shown(shop(), {"what": only("i07"), "pin": 1}, only_new=True)
    assert shown(shop(), {"what": only("i06"), "pin": 1}, rules={"recently_bought": {"days": 9}}, user="v")[0] == "i06"


def test_more_pins_than_places_fill_the_list_and_no_more() -> None:
    pins = {"what": only(*ITEMS[::-1]), "pin": 1}
    assert shown(shop(), pins, k=3) == ["i09", "i08", "i07"]
    assert shown(shop(), {"what": only("i09"), "pin": 9}, k=3) == ["i03", "i01", "i06"]


def test_a_pin_far_down_a_short_list_stands_at_its_end() -> None:
    made = tiny.snapshot([("u", "a", "view", 1.0)], ["a", "b", "c"])
    ranked = tiny.ranked(made, [["b"]])
    lists = policy(made, {"what": only("b"), "pin": 40}, k=50).lists(ranked, made.rows_of(["u"]))
    assert tiny.names(made, lists, 0)[-1] == "b"
    assert len(lists) == 3


def test_buried_to_the_end_stands_behind_everything_and_out_is_nowhere() -> None:
    made = shop()
    assert shown(made, {"what": only("i03", "i01"), "bury": "end"}, k=10)[-2:] == ["i03", "i01"]
    assert shown(made, {"what": only("i03"), "bury": "end"}, k=5) == ["i01", "i06", "i04", "i02", "i05"]
    out = {"what": only("i03", "i00"), "bury": "out"}
    hidden = policy(made, out, k=9)
    assert not {"i03", "i00"} & set(shown(made, out, k=9))
    assert not hidden.allowed[[0, 3]].any(), "lists of items and segments follow"
    both = ({"what": only("i03"), "pin": 1}, out)
    assert "i03" not in shown(made, *both, k=9), "out wins over a pin"


def test_to_bury_everything_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    made, plain = shop(), shown(shop())
    everything = {"what": {"price": {"at_least": 0}}}
    assert shown(made, everything | {"bury": "end"}) == plain, "no item has a price: it matches nothing"
    assert "matches no item" in caplog.text
    for how in ("end", "out"):
        assert shown(made, {"what": only(*ITEMS), "bury": how}) == plain
    assert "would leave nothing to show" in caplog.text


def test_a_boost_moves_what_was_found_and_needs_no_more_than_its_share(caplog: pytest.LogCaptureFixture) -> None:
    made = shop(category=["a"] * 5 + ["b"] * 5)
    assert shown(made, {"what": {"categories": ["b"]}, "boost": 10})[:2] == ["i06", "i05"]
    assert "i08" not in shown(made, {"what": only("i08"), "boost": 10})
    assert shown(made, {"what": only("i03"), "boost": -10}, k=6)[-1] == "i03"
    half = {"what": {"items": ITEMS[:6]}, "boost": 2}
    assert shown(made, half)[:4] == ["i03", "i01", "i04", "i02"]
    assert "matches 6 of 10 items" in caplog.text
    assert shown(made, {"what": only(*ITEMS), "boost": 5}) == shown(made)


@pytest.mark.parametrize(
    ("who", "holds"),
    [
        ({"countries": ["gb"]}, ["u"]),
        ({"countries": ["FR", "XX"]}, ["v"]),
        ({"countries": ["XX"]}, []),
        ({"devices": ["mobile"]}, []),
        ({"shoppers": "new"}, ["v", "nobody"]),
        ({"shoppers": "returning"}, ["u"]),
        ({"countries": ["GB"], "shoppers": "new"}, []),
    ],
)
@pytest.mark.parametrize("action", [{"pin": 1}, {"boost": 10}, {"bury": "out"}, {"bury": "end"}], ids=str)
def test_a_rule_holds_for_whom_it_names(who: dict[str, Any], holds: list[str], action: dict[str, Any]) -> None:
    made = shop()
    new = {"new_shoppers": {"below_events": 2}}
    rule = {"what": only("i04"), "who": who} | action
    for user in ("u", "v", "nobody"):
        changed = shown(made, rule, user=user, objectives=new) != shown(made, user=user)
        assert changed == (user in holds), user


@pytest.mark.parametrize(
    ("more", "holds"),
    [
        ({}, True),
        ({"when": {"from": "2026-11-22", "to": "2026-11-22"}}, True),
        ({"when": {"to": "2026-11-21"}}, False),
        ({"when": {"from": "2026-11-23"}}, False),
        ({"where": ["home", "discover"]}, True),
        ({"where": ["discover"]}, False),
    ],
)
def test_a_rule_holds_where_and_when_it_says(more: dict[str, Any], holds: bool) -> None:
    assert (shown(shop(), {"what": only("i09"), "pin": 1} | more)[0] == "i09") == holds


def test_what_does_nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert shown(shop(), {"what": only("nope", "i09"), "pin": 1})[0] == "i09"
    assert "does not know: nope" in caplog.text
    shown(shop(), {"what": only("i09"), "pin": 1, "when": {"to": "2026-01-01"}})
    assert "rule 1 (pin 1, 'test') ended on 2026-01-01" in caplog.text
    shown(shop(), {"what": only("i09"), "pin": 1, "who": {"countries": ["XX"]}})
    assert "nobody is of its countries" in caplog.text
    merchandising.warn_of_unknown_surfaces(rules({"what": only("a"), "pin": 1, "where": ["hme"]}), {"home"})
    assert "do not exist: hme" in caplog.text


def test_segments_follow_pins_boosts_and_buries_of_their_country() -> None:
    made = shop()
    lists = {
        each.name: list(made.items[each.items])
        for each in policy(
            made,
            {"what": only("i09"), "pin": 2},
            {"what": only("i00"), "bury": "end", "who": {"countries": ["FR"]}},
            {"what": only("i01"), "bury": "out", "who": {"countries": ["GB"]}},
            {"what": only("i05"), "boost": 10, "who": {"shoppers": "new"}},
            {"what": only("i04"), "pin": 1, "who": {"shoppers": "returning"}},
        ).segments()
    }
    assert lists["all"] == ["i05", "i09", "i00", "i01", "i02"]
    assert lists["country=GB"] == ["i05", "i09", "i00", "i02", "i03"]
    assert lists["country=FR"][:2] == ["i05", "i09"]
    assert "i00" not in lists["country=FR"]


def test_the_shipped_file_is_empty_and_its_examples_are_right(tmp_path: Path) -> None:
    assert merchandising.read(SHIPPED) == ()
    example = SHIPPED.read_text().split("\n# rules:\n")[1]
    file = tmp_path / merchandising.FILE
    file.write_text("rules:\n" + "\n".join(line.removeprefix("#") for line in example.splitlines()))
    assert [each.rule.action for each in merchandising.read(file)] == ["pin 1", "boost 0.5", "bury out", "bury end"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("rules: [", "YAML"),
        ("- 1", "list"),
        ("rule: []", "rule"),
        ("rules: 3", "rules"),
        (RULE + "5", "rule 2"),
        (RULE + "{what: {items: [a]}, pin: 1}", "rule 2: reason"),
        (RULE + "{reason: x, what: {items: [a]}, pinn: 1}", "rule 2: pinn"),
        (RULE + "{reason: x, what: {item: [a]}, pin: 1}", "rule 2: what.item"),
        (RULE + "{reason: x, what: {items: [a]}}", "exactly one of pin, boost, bury"),
        (RULE + "{reason: x, what: {items: [a]}, pin: 1, boost: 2}", "exactly one of pin, boost, bury"),
        (RULE + "{reason: x, what: {items: [a]}, pin: 0}", "rule 2: pin"),
        (RULE + "{reason: x, what: {items: [a]}, bury: deep}", "rule 2: bury"),
        (RULE + "{reason: x, what: {items: [a]}, boost: .nan}", "rule 2: boost"),
        (RULE + "{reason: x, what: {categories: [a]}, pin: 1}", "pin needs what.items"),
        (RULE + "{reason: x, what: {items: [a]}, pin: 1, when: {from: 2026-02-02, to: 2026-02-01}}", "lies after"),
        (RULE + "{reason: x, what: {items: [a]}, pin: 1, when: {from: soon}}", "rule 2: when.from"),
        (RULE + "{reason: x, what: {items: [a]}, pin: 1, who: {shoppers: some}}", "rule 2: who.shoppers"),
    ],
)
def test_a_wrong_rule_is_refused_by_file_number_and_key(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / merchandising.FILE
    file.write_text(text)
    with pytest.raises(BadInput) as failure:
        merchandising.load(Settings(surfaces=tmp_path))
    assert str(file) in str(failure.value)
    assert told in str(failure.value)


def test_the_file_may_lie_elsewhere_but_must_then_be_there(tmp_path: Path) -> None:
    assert merchandising.load(Settings(surfaces=tmp_path)) == ()
    file = tmp_path / "campaign.yaml"
    with pytest.raises(BadInput, match=r"campaign\.yaml"):
        merchandising.load(Settings(surfaces=tmp_path, merchandising=file))
    file.write_text("rules: [{reason: x, what: {items: [1]}, pin: 1}]")
    assert merchandising.load(Settings(surfaces=tmp_path, merchandising=file))[0].rule.what.items == ("1",)


def test_a_pin_breaks_no_promise_of_a_surface_of_what_is_due() -> None:
    made = shop()
    pin, due = {"what": only("i09"), "pin": 1}, {"due": {"times": 1}, "recently_bought": None}
    assert "i09" not in shown(made, pin, rules=due)
    ruled, plain = policy(made, pin, rules=due).segments(), policy(made, rules=due).segments()
    assert [each.items.tolist() for each in ruled] == [each.items.tolist() for each in plain]


def test_a_rule_for_a_device_holds_for_its_shoppers_and_its_segment() -> None:
    made = shop()
    device = np.where(made.users == "u", 0, -1).astype(np.int32)
    made = replace(made, device=device, devices=("mobile",))
    rule = {"what": only("i09"), "pin": 1, "who": {"devices": ["Mobile"]}}
    assert [shown(made, rule, user=user)[0] for user in ("u", "v", "nobody")] == ["i09", "i03", "i03"]
    firsts = {each.name: made.items[each.items[0]] for each in policy(made, rule).segments()}
    assert {name for name, item in firsts.items() if item == "i09"} == {"device=mobile"}
