"""The arms that the lists job makes: from the same scores or another bundle's, never at the control's cost."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from jobs.lists import lists
from jobs.spool import Spool
from lake import storage
from lake.errors import GateFailed
from lake.settings import Settings
from models import decisions
from models.bundle import Bundle
from models.config import TrainingConfig
from models.policy.surface_lists import SurfacePolicy
from models.published import judge_lists
from models.registry import Registry
from tests.models import small_shop

DS = (small_shop.FIRST + timedelta(days=11)).isoformat()
PLAIN = "name: home\nsegments: []\n"
TRIED = """
experiment:
  name: tries
  arms:
    short: {share: 0.5, k: 5}
    other: {share: 0.2, bundle: challenger}
"""


@pytest.fixture
def house(tmp_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Twelve days of the small shop; the champion ranks own items and popular ones, the challenger popular ones."""
    (tmp_path / "surfaces").mkdir()
    house = tmp_settings.model_copy(update={"list_length": 12, "surfaces": tmp_path / "surfaces"})
    manifest = {"trained_through": small_shop.build(house, 12).last.isoformat()}
    both, popular = TrainingConfig(sources=("own_items", "popular")), TrainingConfig(sources=("popular",))
    stored = {
        "champion": ("3", Bundle(manifest, both).save(tmp_path / "champion")),
        "challenger": ("4", Bundle(manifest, popular).save(tmp_path / "challenger")),
    }
    monkeypatch.setattr(Registry, "resolve", lambda self, wanted: stored.get(wanted))
    want(house, TRIED)
    return house


def want(house: Settings, text: str) -> None:
    (house.surfaces / "home.yaml").write_text(PLAIN + text)


def of(house: Settings, shelf: str) -> pa.Table:
    rows = storage.read(house, "lists", ds=DS, filters=[("surface", "=", shelf)])
    order = [(name, "ascending") for name in ("kind", "owner", "rank")]
    return rows.drop_columns(["surface"]).sort_by(order)


def test_arms_stand_beside_a_control_that_is_what_it_was(house: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    want(house, "")
    plain = lists(house, DS)
    alone = of(house, "home")
    want(house, TRIED)
    scored: list[int] = []
    score = Bundle.score

    def counted(self: Bundle, *args: Any, **more: Any) -> Any:
        scored.append(id(self))
        return score(self, *args, **more)

    monkeypatch.setattr(Bundle, "score", counted)
    result = lists(house, DS)
    assert len(scored) == len(set(scored)) == 2, "one pass a bundle: the first arm shares the control's"
    assert result["arms_left_out"] == {}
    assert set(result["content_hash"]) == {"home", "home@short", "home@other"}
    assert of(house, "home").equals(alone)
    assert result["content_hash"]["home"] == plain["content_hash"]["home"]
    assert set(of(house, "home@short")["bundle"].to_pylist()) == {"3"}
    assert set(of(house, "home@other")["bundle"].to_pylist()) == {"4"}
    first = [row for row in of(house, "home").to_pylist() if row["kind"] == "user" and row["rank"] <= 5]
    assert first
    assert [row for row in of(house, "home@short").to_pylist() if row["kind"] == "user"] == first


def test_judging_reads_the_surfaces_own_lists(house: Settings) -> None:
    want(house, "")
    lists(house, DS)
    small_shop.write(house, "events", small_shop.events([date.fromisoformat(DS) + timedelta(days=1)], seed=3))
    alone = judge_lists(house, date.fromisoformat(DS) + timedelta(days=1))
    want(house, TRIED)
    lists(house, DS)
    assert judge_lists(house, date.fromisoformat(DS) + timedelta(days=1)) == alone


def test_an_arm_without_its_bundle_is_left_out_and_told(house: Settings) -> None:
    want(house, TRIED.replace("challenger", "77"))
    result = lists(house, DS)
    assert list(result["arms_left_out"]) == ["home@other"]
    assert "'77'" in result["arms_left_out"]["home@other"]
    assert set(result["content_hash"]) == {"home", "home@short"}
    told = decisions.latest(house, "hold")
    assert told is not None
    assert told["figures"]["surface"] == "home@other"


def test_an_arm_whose_policy_fails_stops_nobody(house: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = SurfacePolicy.lists

    def fails(self: SurfacePolicy, *args: Any) -> Any:
        if self.k == 5:
            raise RuntimeError("no such rule")
        return chosen(self, *args)

    monkeypatch.setattr(SurfacePolicy, "lists", fails)
    assert lists(house, DS)["arms_left_out"] == {"home@short": "RuntimeError: no such rule"}
    assert len(of(house, "home@short")) == 0
    assert len(of(house, "home@other")) > 0
    want(house, "k: 5")
    with pytest.raises(RuntimeError, match="no such rule"):
        lists(house, DS)


def test_an_arm_that_the_gate_refuses_is_left_out_alone(house: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, broken = Spool.add, {"home@short"}

    def robbed(self: Spool, rows: pa.Table) -> None:
        of_broken = pc.is_in(rows["surface"], value_set=pa.array(sorted(broken)))
        kept(self, rows.filter(pc.invert(pc.and_(of_broken, pc.equal(rows["kind"], "user")))))

    monkeypatch.setattr(Spool, "add", robbed)
    result = lists(house, DS)
    assert list(result["arms_left_out"]) == ["home@short"]
    assert "gate lists" in result["arms_left_out"]["home@short"]
    assert (len(of(house, "home")) > 0, len(of(house, "home@other")) > 0) == (True, True)
    broken.add("home")
    with pytest.raises(GateFailed):
        lists(house, DS)
