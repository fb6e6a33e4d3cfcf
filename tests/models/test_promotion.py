"""Who becomes champion, and what is said about it."""

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from lake.clock import DayRange, shift
from lake.errors import BadInput
from lake.settings import Settings
from models import decisions, promotion
from models.promotion import decide, settle
from tests.models import small_shop
from tests.models.small_shop import FIRST, TasteBundle

CUT = FIRST + timedelta(days=13)
WINDOW = DayRange(shift(CUT, 1), shift(CUT, 7))


class Guessing(TasteBundle):
    """Remembers somebody else's taste: worse than what is popular."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.taste = {shopper: (group + 3) % small_shop.GROUPS for shopper, group in self.taste.items()}


class Forgetful(TasteBundle):
    """Knows a third of the tastes: better than popular, worse than all of them."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.taste = {shopper: group for shopper, group in self.taste.items() if int(shopper[1:]) % 3}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(var=tmp_path_factory.mktemp("shop"), pseudonymise=False)
    small_shop.write(settings, "events", small_shop.events(DayRange(FIRST, WINDOW.last)))
    small_shop.features(settings, [CUT, shift(CUT, 3)])
    return settings


def test_the_first_bundle_is_promoted_and_its_weakness_told(shop: Settings) -> None:
    assert decide(shop, TasteBundle(CUT), WINDOW, None).promote
    weak = decide(shop, Guessing(CUT), WINDOW, None)
    assert weak.promote
    assert "no better than" in weak.reason
    assert decide(shop, TasteBundle(CUT), None, None).promote


def test_an_equal_is_promoted_and_a_worse_one_is_not(shop: Settings) -> None:
    champion = TasteBundle(shift(CUT, -3))
    same = decide(shop, TasteBundle(CUT), WINDOW, champion)
    assert same.promote
    assert same.figures["difference.NDCG@20"] == 0
    worse = decide(shop, Forgetful(CUT), WINDOW, champion)
    assert not worse.promote
    assert "below the champion's beyond noise" in worse.reason
    assert worse.intervals["difference.NDCG@20"][1] < 0
    assert worse.figures["challenger.NDCG@20"] > worse.figures["popular_7d.NDCG@20"]


def test_worse_than_popular_is_not_promoted_even_over_an_equal(shop: Settings) -> None:
    found = decide(shop, Guessing(CUT), WINDOW, Guessing(CUT))
    assert not found.promote
    assert "popular" in found.reason


def test_noise_does_not_hold_a_challenger_back(shop: Settings) -> None:
    """Two of ninety tastes got wrong: worse, but no more than chance could do."""
    trial = TasteBundle(CUT)
    for shopper in ("u001", "u002"):
        trial.taste[shopper] = (trial.taste[shopper] + 1) % small_shop.GROUPS
    found = decide(shop, trial, WINDOW, TasteBundle(CUT))
    assert found.figures["difference.NDCG@20"] < 0
    assert found.promote


def test_only_days_that_the_champion_has_not_seen_are_compared(shop: Settings) -> None:
    found = decide(shop, TasteBundle(CUT), WINDOW, TasteBundle(shift(CUT, 3)))
    later = DayRange(shift(CUT, 4), WINDOW.last)
    assert found.figures["window"] == str(later)
    assert str(later) in found.reason
    assert "not trained on" in found.reason


def test_a_champion_that_has_seen_everything_stays(shop: Settings) -> None:
    found = decide(shop, TasteBundle(CUT), WINDOW, TasteBundle(WINDOW.last))
    assert not found.promote
    assert "promote by hand" in found.reason


def test_nobody_to_judge_keeps_the_champion(shop: Settings) -> None:
    later = DayRange(shift(WINDOW.last, 5), shift(WINDOW.last, 9))
    assert not decide(shop, TasteBundle(CUT), later, TasteBundle(CUT)).promote
    assert not decide(shop, TasteBundle(CUT), None, TasteBundle(CUT)).promote


def test_a_trial_that_saw_the_window_is_refused(shop: Settings) -> None:
    with pytest.raises(BadInput, match="the trial was trained through"):
        decide(shop, TasteBundle(WINDOW.first), WINDOW, None)


class FakeRegistry:
    """Remembers aliases."""

    aliases: dict[str, str]

    def __init__(self, folder: Path) -> None:
        self.folder, self.aliases = folder, {}

    def resolve(self, wanted: str) -> tuple[str, Path] | None:
        return (self.aliases[wanted], self.folder) if wanted in self.aliases else None

    def promote(self, version: str) -> None:
        self.aliases["champion"] = version

    def set_challenger(self, version: str) -> None:
        self.aliases["challenger"] = version


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeRegistry:
    import models.bundle

    fake = FakeRegistry(tmp_path)
    monkeypatch.setattr(promotion, "Registry", lambda _: fake)
    monkeypatch.setattr(models.bundle.Bundle, "load", lambda _: TasteBundle(shift(CUT, -3)))
    return fake


def test_settling_sets_the_alias_and_leaves_a_row(shop: Settings, tmp_path: Path, registry: FakeRegistry) -> None:
    settings = shop.model_copy(update={"lake_root": str(tmp_path / "lake")})
    small_shop.write(settings, "events", small_shop.events(DayRange(FIRST, WINDOW.last)))
    small_shop.features(settings, [CUT])
    first = settle(settings, "1", TasteBundle(CUT), WINDOW, ds=WINDOW.last)
    assert first.promote
    assert registry.aliases == {"champion": "1"}
    held = settle(settings, "2", Forgetful(CUT), WINDOW, ds=WINDOW.last)
    assert not held.promote
    assert registry.aliases == {"champion": "1", "challenger": "2"}
    settle(settings, "3", Forgetful(CUT), WINDOW, ds=WINDOW.last, mode="always")
    settle(settings, "4", TasteBundle(CUT), WINDOW, ds=WINDOW.last, mode="never")
    assert registry.aliases == {"champion": "3", "challenger": "4"}
    assert settle(settings, "3", TasteBundle(CUT), WINDOW, ds=WINDOW.last).promote
    rows = decisions.history(settings)
    assert [(row["kind"], row["figures"]["challenger"]) for row in rows] == [
        ("promote", "1"),
        ("hold", "2"),
        ("promote", "3"),
        ("hold", "4"),
    ]
    assert rows[1]["figures"]["champion"] == "1"
    assert "--promote always" in rows[2]["reason"]
    assert np.isfinite(json.loads(json.dumps(rows[1]["intervals"]))["difference.NDCG@20"]).all()
