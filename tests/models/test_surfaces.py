"""Surface files: the shipped ones are right, wrong ones are refused by file and key."""

from pathlib import Path

import pytest

from lake.errors import BadInput
from models import surfaces
from models.policy.objectives import CrossSell, Objectives
from models.surfaces import Surface
from storefront.contract import Experiment

SHIPPED = Path(__file__).resolve().parents[2] / "surfaces"


def test_the_shipped_surfaces_are_read() -> None:
    shown = surfaces.load(SHIPPED)
    assert list(shown) == ["again", "basket", "discover", "home", "product"]
    assert [name for name, each in shown.items() if each.only_new] == ["discover"]
    assert [name for name, each in shown.items() if each.rules.due] == ["again"]
    assert {name: each.item_lists for name, each in shown.items() if "users" not in each.kinds} == {
        "basket": "complements",
        "product": "similar",
    }


@pytest.mark.parametrize("name", ["again", "basket", "discover", "home", "product"])
def test_a_surface_round_trips(name: str) -> None:
    surface = surfaces.load(SHIPPED)[name]
    assert Surface.model_validate(surface.get_config()) == surface


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("name: home\nkk: 3", "kk"),
        ("name: home\nk: 0", "k"),
        ("name: home\nk: many", "k"),
        ("name: home\nsources: [magic]", "sources"),
        ("name: home\nsources: []", "sources"),
        ("name: home\nsources: [popular, popular]", "sources"),
        ("name: home\nsegments: [shoe_size]", "segments"),
        ("name: home\nkinds: []", "kinds"),
        ("name: home\nkinds: [users, users]", "kinds"),
        ("name: home\nitem_lists: accessories", "item_lists"),
        ("name: home\nrules: {due: {times: 0}}", "rules.due.times"),
        ("name: home\nrules: {recently_bought: {days: -1}}", "rules.recently_bought.days"),
        ("name: home\nrules: {max_per_category: 0}", "rules.max_per_category"),
        ("name: home\nrules: {recently_bought: {due_share: 3}}", "rules.recently_bought.due_share"),
        ("name: home\nobjectives: {profit: 1}", "objectives.profit"),
        ("name: home\nobjectives: {margin: lots}", "objectives.margin"),
        ("name: home\nobjectives: {popularity: .nan}", "objectives.popularity"),
        ("name: home\nobjectives: {long_tail: {share: 1}}", "objectives.long_tail.share"),
        ("name: home\nobjectives: {exploration: {slot: 1}}", "objectives.exploration.slot"),
        ("name: home\nobjectives: {new_shoppers: {below_events: 0}}", "objectives.new_shoppers.below_events"),
        ("name: home\nobjectives: {seasons: [{name: x, boost: 1, what: {}}]}", "objectives.seasons.0"),
        ("name: home\nexperiment: {arms: {a: {share: 0.5}}}", "experiment.name"),
        ("name: home\nexperiment: {name: e, arms: {}}", "shares"),
        ("name: home\nexperiment: {name: e, arms: {a: {}}}", "experiment.arms.a.share"),
        ("name: home\nexperiment: {name: e, arms: {a: {share: 0.6}, b: {share: 0.5}}}", "shares"),
        ("name: home\nexperiment: {name: e, arms: {control: {share: 0.5}}}", "control"),
        ("name: home\nexperiment: {name: e, arms: {a@b: {share: 0.5}}}", "a@b"),
        ("name: home\nexperiment: {name: e, arms: {a: {share: 0.5, kinds: [users]}}}", "experiment.arms.a.kinds"),
        ("name: home\nexperiment: {name: e, arms: {a: {share: 0.5, k: 0}}}", "experiment.arms.a: k"),
        ("name: home\nexperiment: {name: e, arms: {a: {share: 0.5, rules: {in_stok: true}}}}", "rules.in_stok"),
        ("name: other", "name"),
        ("name: Ho me", "name"),
        ("k: 5", "name"),
        ("- 1", "list"),
        ("name: [", "YAML"),
    ],
)
def test_a_wrong_file_is_refused_by_file_and_key(tmp_path: Path, text: str, key: str) -> None:
    file = tmp_path / "home.yaml"
    file.write_text(text)
    with pytest.raises(BadInput) as failure:
        surfaces.load(tmp_path)
    assert str(file) in str(failure.value)
    assert key in str(failure.value)


def test_a_folder_without_surfaces_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="SURFACES"):
        surfaces.load(tmp_path)


def test_what_the_comments_of_the_shipped_files_show_is_right(tmp_path: Path) -> None:
    for name in ("home", "discover"):
        plain, shown = (SHIPPED / f"{name}.yaml").read_text().split("# objectives:\n")
        (tmp_path / f"{name}.yaml").write_text(
            plain + "objectives:\n" + "\n".join(line.removeprefix("#") for line in shown.splitlines())
        )
    for name, aimed in surfaces.load(tmp_path).items():
        assert aimed.objectives != surfaces.load(SHIPPED)[name].objectives == Objectives()
        assert Surface.model_validate(aimed.get_config()) == aimed


def test_merchandisers_rules_are_no_surface(tmp_path: Path) -> None:
    (tmp_path / "merchandising.yaml").write_text("rules: []")
    with pytest.raises(BadInput, match="no surface"):
        surfaces.load(tmp_path)
    (tmp_path / "home.yaml").write_text("name: home")
    assert list(surfaces.load(tmp_path)) == ["home"]


TRIED = """
name: home
k: 30
rules: {max_per_category: 0.6, min_items: 2}
objectives: {margin: 0.25, cross_sell: {weight: 0.5, basket_days: 30}}
experiment:
  name: cross-sell
  arms:
    treatment: {share: 0.5, bundle: challenger, rules: {recently_bought: null}, objectives: {cross_sell: {weight: 2}}}
    same: {share: 0.1}
"""


def test_an_arm_is_the_surface_but_for_what_it_names(tmp_path: Path) -> None:
    (tmp_path / "home.yaml").write_text(TRIED)
    home = surfaces.load(tmp_path)["home"]
    assert Surface.model_validate(home.get_config()) == home
    assert home.experiment is not None
    assert (
        home.experiment.assignment().text()
        == Experiment.read(
            '{"name": "cross-sell", "salt": "cross-sell", "arms": {"treatment": 0.5, "same": 0.1}}'
        ).text()
    )
    plain = home.model_copy(update={"experiment": None})
    assert home.of_arm("same") == plain
    treated = home.of_arm("treatment")
    assert treated.rules == plain.rules.model_copy(update={"recently_bought": None})
    assert treated.objectives.cross_sell == CrossSell(weight=2, basket_days=30)
    assert treated.objectives.margin == 0.25
    assert treated.get_config() == Surface.model_validate(home.get_config()).of_arm("treatment").get_config()


def test_lists_of_an_arm_bear_a_name_that_no_surface_can_have() -> None:
    assert surfaces.shelf("home", None) == "home"
    assert surfaces.surface_and_arm(surfaces.shelf("home", "a")) == ("home", "a")
    assert surfaces.surface_and_arm("home") == ("home", None)
    with pytest.raises(ValueError, match="name"):
        Surface(name=surfaces.shelf("home", "a"))
