"""Surface files: the shipped ones are right, wrong ones are refused by file and key."""

from pathlib import Path

import pytest

from lake.errors import BadInput
from models import surfaces
from models.policy.objectives import Objectives
from models.surfaces import Surface

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
