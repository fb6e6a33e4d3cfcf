"""What objectives cost: by hand on a planted shop, and the command on a small one."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from typer.testing import CliRunner

from lake.errors import BadInput
from lake.settings import Settings
from models import policy_cost
from models.bundle import Bundle
from models.config import TrainingConfig
from models.policy.merchandising import Numbered, Rule
from models.policy.trials import WITHOUT, Trial, trials
from models.snapshot import RELATIONS, Snapshot
from models.surfaces import Surface
from tests.models import small_shop
from tests.models.policy import tiny

ITEMS = [f"i{n:02}" for n in range(40)]
USERS = [f"u{n:02}" for n in range(10)]
REPOSITORY = Path(__file__).resolve().parents[2]


def shop() -> Snapshot:
    """The first half of the items is dear, the second earns; odd ones are lamps; the last five are new."""
    events: list[tiny.Event] = [
        (user, ITEMS[(n + step) % 35], "purchase", 30.0 + n) for n, user in enumerate(USERS) for step in range(4)
    ]
    made = tiny.snapshot(events, ITEMS, category=["mugs", "lamps"] * 20, age_days=[100.0] * 35 + [3.0] * 5)
    margin = np.repeat([0.1, 0.5], 20).astype(np.float32)
    none = sparse.csr_matrix((40, 40), dtype=np.float32)
    return replace(made, catalogue=replace(made.catalogue, margin=margin), co_visitation=dict.fromkeys(RELATIONS, none))


def test_costs_and_gains_are_those_of_the_lists() -> None:
    made, base = shop(), Surface.model_validate({"name": "home", "rules": {"recently_bought": None}})
    ranked = tiny.ranked(made, [ITEMS[:30]] * len(USERS))
    truth = {user: {"i00", "i25", "unknown"} for user in USERS}
    earning = base.model_copy(update={"objectives": base.objectives.model_copy(update={"margin": 10.0})})
    pinned = (Numbered(1, Rule.model_validate({"reason": "x", "what": {"items": ["i39"]}, "pin": 1})),)
    found = [Trial(WITHOUT, "", base), Trial("margin", "10", earning), Trial("rules", "1", base, pinned)]
    without, margin, rules = policy_cost.measure(ranked, made, USERS, truth, iter(found), 25)
    ideal = sum(1 / np.log2(n) for n in (2, 3, 4))
    assert without.ndcg.mean == pytest.approx(1 / ideal), "one hit, first; three targets, one of which nobody knows"
    # The ten that earn are i20 .. i29, so i25 is sixth and i00 eleventh.
    assert margin.ndcg.mean == pytest.approx((1 / np.log2(7) + 1 / np.log2(12)) / ideal)
    assert margin.ratio.mean == pytest.approx(margin.ndcg.mean / without.ndcg.mean)
    assert rules.ratio.mean == pytest.approx(1 / np.log2(3)), "i00 is second behind the pin"
    assert (without.changed, margin.changed, rules.changed) == (0.0, 1.0, 1.0)
    assert (without.margin, margin.margin) == pytest.approx((0.1, 0.3))
    assert (without.coverage, margin.coverage, without.categories) == (0.5, 0.5, 2.0)
    assert (without.new, rules.new) == (0.0, 0.05)
    assert np.isnan(without.complements), "nobody has a recent basket"


def test_every_objective_has_a_trial_and_changes_one_thing() -> None:
    season = {"name": "x", "from": "01-01", "to": "12-31", "boost": 1, "what": {"items": ["i00"]}}
    surface = Surface.model_validate({"name": "home", "objectives": {"seasons": [season], "margin": 1}})
    rule = (Numbered(1, Rule.model_validate({"reason": "x", "what": {"items": ["i39"]}, "pin": 1})),)
    found = list(trials(surface, rule))
    without, configured = found[0], found[-1]
    assert (without.objective, configured.surface, configured.rules) == (WITHOUT, surface, rule)
    named = " ".join(trial.objective for trial in found)
    for name in type(surface.objectives).model_fields:
        assert name.removesuffix("s").replace("new_shopper", "new") in named
    for trial in found[1:-1]:
        changes = [
            sum(before[key] != after[key] for key in before)
            for before, after in (
                (without.surface.objectives.model_dump(), trial.surface.objectives.model_dump()),
                (without.surface.rules.model_dump(), trial.surface.rules.model_dump()),
            )
        ]
        expected = 0 if trial.rules or (trial.objective, trial.strength) == ("max_per_category", "1.0") else 1
        assert sum(changes) == expected, trial.objective


@pytest.fixture
def house(tmp_settings: Settings, tmp_path: Path) -> tuple[Settings, Path]:
    """Eight days of the small shop, and a bundle that knows the first six."""
    house = tmp_settings.model_copy(update={"list_length": 12, "surfaces": REPOSITORY / "surfaces"})
    span = small_shop.build(house, 8)
    manifest = {"trained_through": (span.last - timedelta(days=2)).isoformat()}
    return house, Bundle(manifest, TrainingConfig(sources=("own_items", "popular"))).save(tmp_path / "bundle")


def test_the_command_prints_a_line_a_trial_and_writes_json(
    house: tuple[Settings, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings, bundle = house
    monkeypatch.setattr("lake.command.settings", lambda: settings)
    day, out = small_shop.FIRST + timedelta(days=5), tmp_path / "costs" / "home.json"
    arguments = ["--ds", f"{day}", "--bundle", f"{bundle}", "--json", f"{out}"]
    result = CliRunner().invoke(policy_cost.app, arguments)
    assert result.exit_code == 0, result.output
    figures = json.loads(out.read_text())
    assert figures["shoppers"] > 10
    assert figures["costs"][0]["ratio"] == {"mean": 1.0, "low": 1.0, "high": 1.0, "users": figures["shoppers"]}
    assert figures["costs"][0]["margin"] is None, "the shop tells no margins"
    for cost in figures["costs"]:
        assert f"{cost['objective']:32}  {cost['strength']:>9}  {cost['ndcg']['mean']:7.4f}" in result.output


def test_what_cannot_be_priced_is_refused(house: tuple[Settings, Path]) -> None:
    settings, bundle = house
    day = small_shop.FIRST + timedelta(days=5)
    for wrong, told in (
        ({"surface": "hme"}, "--surface 'hme'"),
        ({"surface": "basket"}, "no lists of shoppers"),
        ({"day": day - timedelta(days=1)}, "trained through"),
        ({"day": day + timedelta(days=2)}, "newest events"),
    ):
        given = {"day": day, "days": 2, "surface": "home", "bundle": str(bundle)} | wrong
        with pytest.raises(BadInput, match=told):
            policy_cost.run(settings, **given)
