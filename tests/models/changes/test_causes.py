"""Each cause is planted and found: one thing changed between two days, and the comparison says which."""

from dataclasses import replace

import pytest

from jobs.lists import make
from lake import storage
from lake.columns import Columns as C
from models.changes import recipe
from models.changes.causes import entered, left
from models.changes.chain import Chain
from models.changes.comparer import Comparer
from models.changes.comparison import Change, Comparison
from models.surfaces import load
from tests.models import planted
from tests.models.changes.two_days import BEFORE, D1, D2, SHOPPERS, K, TwoDays, seen

USER = "u003"


def compared(shop: TwoDays, user: str = USER, surface: str = "home") -> Comparison:
    return Comparer(shop.settings).compare(user, D1, D2, surface)


def chain(shop: TwoDays, user: str = USER, surface: str = "home") -> Chain:
    one, other = (recipe.of_day(shop.settings, ds, surface) for ds in (D1, D2))
    return Comparer(shop.settings)._chain(user, D1, D2, one, other, lambda text: None)


def turned(there: Chain) -> Chain:
    """From the later day back to the earlier one, by data alone."""
    return replace(there, before=there.after, data=there.before, after=there.before)


def change(found: Comparison, item: str) -> Change:
    return next(each for each in found.changes if each.item == item)


def first(found: Comparison, item: str) -> tuple[str, str, str]:
    told = change(found, item)
    return told.move, told.causes[0].kind, told.causes[0].code


def absent(shop: TwoDays, ds: str = D1) -> str:
    """An item that the shopper is not shown."""
    return next(item for item in planted.ITEMS if item not in shop.shown(ds, USER))


@pytest.fixture
def item(evening: TwoDays) -> str:
    """What stands third in the shopper's list of the earlier day."""
    return evening.shown(D1, USER)[2]


def test_out_of_stock_and_in_stock_again(two_days: TwoDays) -> None:
    gone = two_days.data().lists(D1).shown(D1, USER)[2]
    found = compared(two_days.sold_out(gone).lists(D2))
    assert first(found, gone) == ("left", "policy", "out_of_stock")
    assert "out of stock" in change(found, gone).causes[0].text
    assert entered(turned(chain(two_days)), gone)[0].code == "in_stock"


def test_what_was_just_bought_is_named_with_its_day(two_days: TwoDays) -> None:
    two_days.edit("home", "repurchase_rate: 0.1", "repurchase_rate: 1.0").edit("home", "days: 14", "days: 1")
    bought = two_days.data(quiet=True).lists(D1).shown(D1, USER)[4]
    found = compared(two_days.happens(seen(USER, bought, "purchase")).lists(D2))
    assert first(found, bought) == ("left", "policy", "recently_bought")
    assert D2 in change(found, bought).causes[0].text
    assert entered(turned(chain(two_days)), bought)[0].code == "bought_long_ago"


def test_what_is_bought_again_is_not_due_and_then_it_is(two_days: TwoDays) -> None:
    two_days.data(quiet=True).lists(D1)
    user, bought = next((user, items[0]) for user in SHOPPERS if (items := two_days.shown(D1, user, "again")))
    found = compared(two_days.happens(seen(user, bought, "purchase")).lists(D2), user, "again")
    assert first(found, bought) == ("left", "policy", "not_due")
    assert entered(turned(chain(two_days, user, "again")), bought)[0].code == "due"


@pytest.mark.parametrize("arm", [False, True])
def test_a_rule_of_another_arm_or_an_edited_one_is_not_told_as_time(two_days: TwoDays, arm: bool) -> None:
    two_days.data(quiet=True).lists(D1)
    user, bought = next((user, items[0]) for user in SHOPPERS if (items := two_days.shown(D1, user, "again")))
    two_days.happens(seen(user, bought, "purchase", day=BEFORE)).lists(D1)
    assert bought not in two_days.shown(D1, user, "again")
    if arm:
        again = two_days.surfaces / "again.yaml"
        arms = "{treatment: {share: 1.0, rules: {due: {times: 2, opens: 0.0, closes: 2.0}}}}"
        again.write_text(again.read_text() + f"experiment: {{name: sooner, arms: {arms}}}\n")
    else:
        two_days.edit("again", "opens: 0.75", "opens: 0.0")
    found = compared(two_days.lists(D2), user, "again")
    assert first(found, bought) == ("entered", "policy", "arm" if arm else "files")


def test_a_candidate_that_others_crowd_out(two_days: TwoDays) -> None:
    two_days.data(quiet=True).lists(D1)
    fresh = {user: [item for item in planted.ITEMS if item not in two_days.shown(D1, user)][:14] for user in SHOPPERS}
    bought = (seen(user, item, "purchase", h) for user, items in fresh.items() for h in (9, 12, 15) for item in items)
    two_days.happens(*bought).lists(D2)
    grown = chain(two_days)
    item = next(item for item in grown.after.ranks if grown.before.fate(item).state == "crowded_out")
    told = left(turned(grown), item)
    assert told[0].code == "crowded_out"
    assert "still proposed by" in told[0].text


def test_what_the_shopper_got_to_know_leaves_a_surface_of_new_items(evening: TwoDays) -> None:
    known = evening.shown(D1, USER, "discover")[1]
    found = compared(evening.happens(seen(USER, known)).lists(D2), surface="discover")
    assert first(found, known) == ("left", "policy", "touched")


@pytest.mark.parametrize("bury", ["out", "end"])
def test_a_rule_that_buries(evening: TwoDays, item: str, bury: str) -> None:
    evening.rules(f"rules: [{{reason: Being recalled, what: {{items: [{item}]}}, bury: {bury}}}]").lists(D2)
    found = compared(evening)
    assert first(found, item) == ("left", "policy", "bury")
    assert "Being recalled" in change(found, item).causes[0].text


def test_a_rule_that_buried_and_is_gone(evening: TwoDays) -> None:
    item = evening.shown(D1, USER)[2]
    evening.rules(f"rules: [{{reason: Recall, what: {{items: [{item}]}}, bury: out}}]").lists(D1)
    evening.rules("").lists(D2)
    assert first(compared(evening), item) == ("entered", "policy", "unburied")


def test_a_rule_that_begins_by_its_date_is_told_though_no_file_was_edited(evening: TwoDays, item: str) -> None:
    rule = f"rules: [{{reason: Recall, what: {{items: [{item}]}}, bury: out, when: {{from: {D2}}}}}]"
    evening.rules(rule).lists(D1).lists(D2)
    assert first(compared(evening), item) == ("left", "policy", "bury")


def test_a_pin_brings_in_and_pushes_off(evening: TwoDays) -> None:
    before = evening.shown(D1, USER)
    hero = absent(evening)
    without = evening.lists(D2).shown(D2, USER)
    evening.rules(f"rules: [{{reason: Hero, what: {{items: [{hero}]}}, pin: 1}}]").lists(D2)
    found = compared(evening)
    assert first(found, hero) == ("entered", "policy", "pin")
    pushed = set(before) & set(without) - set(evening.shown(D2, USER))
    assert pushed
    assert {first(found, item) for item in pushed} == {("left", "policy", "pin")}
    assert "puts others before it" in change(found, pushed.pop()).causes[0].text


def test_a_boost(evening: TwoDays) -> None:
    before = evening.shown(D1, USER)
    ranked = evening.bundle("1").score(evening.snapshot(D2), [USER])
    outside = [str(item) for item in evening.snapshot(D2).items[ranked.item] if item not in before]
    evening.rules(f"rules: [{{reason: Tea, what: {{items: [{outside[0]}, {before[5]}]}}, boost: 9}}]").lists(D2)
    found = compared(evening)
    assert first(found, outside[0]) == ("entered", "policy", "boost")
    assert first(found, before[5]) == ("up", "policy", "boost")


def test_a_category_that_takes_too_much(evening: TwoDays) -> None:
    evening.edit("home", "max_per_category: 0.6", "max_per_category: 0.1").lists(D2)
    found = compared(evening)
    assert ("left", "policy", "category_cap") in {first(found, each.item) for each in found.changes}


def test_exploration_takes_turns(two_days: TwoDays) -> None:
    home = (two_days.surfaces / "home.yaml").read_text()
    slots = "objectives: {exploration: {slots: 1, from_rank: 3, days: 300, among: 20}}\n"
    (two_days.surfaces / "home.yaml").write_text(home + slots)
    two_days.data(quiet=True).lists(D1).lists(D2)
    told = [compared(two_days, user) for user in SHOPPERS[:3]]
    tried = {first(found, each.item) for found in told for each in found.changes}
    assert ("entered", "policy", "exploration") in tried
    assert ("left", "policy", "exploration") in tried


def test_what_the_shopper_did_is_told_first_where_it_made_the_candidate(two_days: TwoDays) -> None:
    fresh = absent(two_days.data(quiet=True).lists(D1, "plain"))
    found = compared(two_days.happens(seen(USER, fresh, "purchase")).lists(D2, "plain"))
    assert first(found, fresh) == ("entered", "shopper", "purchase")
    assert {cause.kind for cause in change(found, fresh).causes} >= {"shopper", "candidates"}
    assert "own_items" in dict(change(found, fresh).sources_after)
    assert "own_items" not in dict(change(found, fresh).sources_before)
    assert found.events[0] == (fresh, "purchase", D2)


def test_an_item_that_was_not_in_the_catalogue(two_days: TwoDays) -> None:
    fresh = "i99"
    everybody = [seen(f"u{number:03d}", fresh, "purchase") for number in range(20, 100)]
    two_days.data(quiet=True).lists(D1, "plain").happens(*everybody).lists(D2, "plain")
    assert first(compared(two_days), fresh) == ("entered", "catalogue", "new_item")


def test_only_the_ranker_changed(evening: TwoDays) -> None:
    """Held against lists made by hand: the later day's data under the earlier bundle."""
    evening.lists(D2, "2")
    snapshot, home = evening.snapshot(D2), load(evening.surfaces)["home"]
    users = SHOPPERS[:8]
    made = make(evening.settings, evening.bundle("1"), "1", snapshot, [home], users).to_pylist()
    by_data = {user: [row[C.ITEM_ID] for row in made if row[C.OWNER] == user] for user in users}
    told, comparer = {"bundle": 0, "data": 0}, Comparer(evening.settings)
    for user in users:
        found = comparer.compare(user, D1, D2)
        assert any("bundle 2 ranks" in note for note in found.notes)
        for each in found.changes:
            if each.move not in ("entered", "left") or each.causes[0].kind == "policy":
                continue
            same = (each.item in by_data[user]) == (each.move == "left")
            assert (each.causes[0].kind == "bundle") == same, (user, each)
            told["bundle" if same else "data"] += 1
    assert told["bundle"] > 10, told


def test_nothing_changed_but_time(evening: TwoDays) -> None:
    evening.lists(D2)
    comparer = Comparer(evening.settings)
    for user in ("u001", "u002", "u003"):
        found = comparer.compare(user, D1, D2)
        kinds = {cause.kind for each in found.changes for cause in each.causes}
        assert kinds <= {"features", "candidates", "shift"}, kinds
        for each in found.changes:
            for feature in each.features:
                assert feature.before != feature.after


@pytest.mark.parametrize("bundle", ["1", "plain"])
def test_lists_are_made_again_as_they_were_and_every_change_has_a_cause(two_days: TwoDays, bundle: str) -> None:
    two_days.data().lists(D1, bundle).lists(D2, bundle)
    comparer = Comparer(two_days.settings)
    for surface in ("home", "discover", "again"):
        for user in SHOPPERS[:5]:
            found = comparer.compare(user, D1, D2, surface)
            assert found.before.as_made is not False
            assert found.after.as_made is not False
            before, after = two_days.shown(D1, user, surface), two_days.shown(D2, user, surface)
            assert {c.item for c in found.changes if c.move == "entered"} == set(after) - set(before)
            assert {c.item for c in found.changes if c.move == "left"} == set(before) - set(after)
            assert all(each.causes and each.causes[0].kind != "unclear" for each in found.changes)


def test_rules_that_were_kept_tell_more_than_the_files_of_today(evening: TwoDays, item: str) -> None:
    rule = f"rules: [{{reason: Recall, what: {{items: [{item}]}}, bury: out}}]"
    evening.rules(rule).lists(D2, keep=False)
    found = compared(evening)
    assert (found.before.recorded, found.after.recorded) == (True, False)
    assert any("was not kept" in note for note in found.notes)


def test_a_shopper_whose_first_day_it_was(two_days: TwoDays) -> None:
    newcomer = "newcomer"
    found = compared(two_days.data().lists(D1).happens(seen(newcomer, "i07", "purchase")).lists(D2), newcomer)
    assert (found.before.whose, found.after.whose) == ("all", "user")
    assert {each.causes[0].code for each in found.changes} == {"first_list"}


def test_a_stranger_is_given_what_sells(two_days: TwoDays) -> None:
    sold = "i41"
    many = [seen(None, sold, hour=number / 10) for number in range(200)]
    filters = [(C.SURFACE, "=", "home"), (C.KIND, "=", "segment"), (C.OWNER, "=", "all"), (C.RANK, "=", 1)]
    two_days.data().lists(D1)
    gone = storage.read(two_days.settings, "lists", ds=D1, filters=filters)[C.ITEM_ID][0].as_py()
    found = compared(two_days.sold_out(gone).happens(*many).lists(D2), "stranger")
    assert (found.before.whose, found.after.whose, len(found.after.items)) == ("all", "all", K)
    told = change(found, sold)
    assert (told.move, told.causes[0].code) in (("entered", "sales"), ("up", "sales"))
    assert told.features[0].after > told.features[0].before
    assert first(found, gone) == ("left", "policy", "out_of_stock")


def test_the_lists_compared_are_those_of_the_shoppers_arm(evening: TwoDays) -> None:
    home = evening.surfaces / "home.yaml"
    arms = "{treatment: {share: 1.0, rules: {max_per_category: 0.1}}}"
    home.write_text(home.read_text() + f"experiment: {{name: variety, arms: {arms}}}\n")
    found = compared(evening.lists(D2))
    assert (found.before.standing.surface, found.after.standing.surface) == ("home", "home@treatment")
    assert found.after.as_made
    assert list(found.after.items) == evening.shown(D2, USER, "home@treatment") != evening.shown(D2, USER)
    assert any("in an arm of an experiment" in note for note in found.notes)
    assert ("left", "policy", "category_cap") in {first(found, each.item) for each in found.changes}
