"""A bundle scores the same after a round trip, and alike whatever way it is asked."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from lake.clock import day_end, shift
from lake.errors import BadInput
from lake.settings import Settings
from models.bundle import Bundle
from models.config import TrainingConfig, TwoTowerConfig
from models.interface import Ranked
from models.ranking import normalisation
from models.ranking.features import CROSSES, NAMES
from models.snapshot import Snapshot
from tests.models import planted
from tests.models.candidates.towers import random_towers
from tests.models.small_shop import event, write

AS_OF = shift(planted.FIRST, 20)
CONFIG = TrainingConfig(two_tower=TwoTowerConfig(dim=8, title_buckets=64), per_source=10, candidates=30)
USERS = ["u003", "nobody", "u001", "u042"]


def random_ranker() -> dict[str, np.ndarray]:
    rng, width = np.random.default_rng(2), len(NAMES)
    shapes = {
        "kernel_0": (2, width + 4, 6),
        "bias_0": (2, 6),
        "kernel_1": (2, 6, 1),
        "bias_1": (2, 1),
        "item_table": (64, 4),
    }
    arrays = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    wide = rng.normal(size=(len(CROSSES), 64)).astype(np.float32)
    return {**arrays, "wide_table": wide, **normalisation.learn(rng.normal(size=(500, width)).astype(np.float32))}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(var=tmp_path_factory.mktemp("planted"), pseudonymise=False)
    planted.build(settings, 25, [AS_OF])
    return settings


@pytest.fixture(scope="module")
def snapshot(settings: Settings) -> Snapshot:
    return Snapshot.load(settings, AS_OF)


@pytest.fixture(params=["full", "fallback"])
def bundle(request: pytest.FixtureRequest) -> Bundle:
    manifest = {"trained_through": AS_OF.isoformat(), "kind": request.param}
    if request.param == "full":
        return Bundle(manifest, CONFIG, random_towers(planted.ITEMS), random_ranker())
    return Bundle(manifest, CONFIG.model_copy(update={"sources": ("own_items", "popular")}))


def same(a: Ranked, b: Ranked) -> None:
    for name, values in vars(a).items():
        np.testing.assert_array_equal(values, getattr(b, name), err_msg=name)


def test_a_saved_bundle_scores_the_same(bundle: Bundle, snapshot: Snapshot, tmp_path: Path) -> None:
    again = Bundle.load(bundle.save(tmp_path / "a"))
    assert again.trained_through == AS_OF
    assert again.config == bundle.config
    same(again.score(snapshot, USERS), bundle.score(snapshot, USERS))
    for left, right in zip(
        sorted((tmp_path / "a").iterdir()), sorted(again.save(tmp_path / "b").iterdir()), strict=True
    ):
        assert left.read_bytes() == right.read_bytes(), left.name


def test_rows_are_sorted_and_every_user_has_some(bundle: Bundle, snapshot: Snapshot) -> None:
    ranked = bundle.score(snapshot, USERS)
    order = np.lexsort((ranked.item, -ranked.score, ranked.user))
    np.testing.assert_array_equal(order, np.arange(len(ranked)))
    sizes = [part.stop - part.start for _, part in ranked.lists(len(USERS))]
    assert all(0 < size <= CONFIG.candidates for size in sizes)
    assert (ranked.sources_rank[np.arange(len(ranked)), ranked.source] > 0).all()
    assert len(bundle.score(snapshot, [])) == 0


def test_memory_and_company_change_nothing(bundle: Bundle, snapshot: Snapshot) -> None:
    everyone = list(snapshot.users)
    whole = bundle.score(snapshot, everyone, memory_mb=1024)
    parts = bundle.score(snapshot, everyone, memory_mb=1, threads=3)
    np.testing.assert_array_equal(whole.user, parts.user)
    np.testing.assert_allclose(whole.score, parts.score, atol=1e-4)
    alone = bundle.score(snapshot, [everyone[7]])
    np.testing.assert_allclose(alone.score, whole.score[whole.user == 7], atol=1e-4)


def test_pairs_score_as_candidates_do(bundle: Bundle, snapshot: Snapshot) -> None:
    ranked = bundle.score(snapshot, USERS)
    users, items = [USERS[u] for u in ranked.user], [snapshot.items[i] for i in ranked.item]
    scores = bundle.score_pairs(snapshot, [*users, "u003"], [*items, "no such item"])
    np.testing.assert_allclose(scores[:-1], ranked.score, atol=1e-4)
    assert scores[-1] < scores[:-1].min()


def test_a_shopper_without_a_history_gets_what_sells(bundle: Bundle, snapshot: Snapshot) -> None:
    ranked = bundle.score(snapshot, ["nobody", "u003"])
    cold = ranked.item[ranked.user == 0]
    sells = bundle.prepared(snapshot).scorers["popular"].signals(np.array([-1], np.int32))["popular"].dense()[0]
    assert (np.diff(sells[cold]) <= 0).all()
    assert np.isnan(ranked.probability[ranked.user == 0]).all()


def test_only_new_items_where_asked_for(bundle: Bundle, snapshot: Snapshot) -> None:
    ranked = bundle.score(snapshot, USERS, only_new=True)
    rows = snapshot.rows_of(USERS)[ranked.user]
    known = rows >= 0
    assert not (snapshot.touched[rows[known], ranked.item[known]] > 0).any()


def test_reasons_name_items_or_segments(bundle: Bundle, snapshot: Snapshot) -> None:
    ranked = bundle.score(snapshot, USERS)
    reasons = bundle.explain(snapshot, USERS, ranked)
    known = set(snapshot.items) | {"all", "country=GB", None} | {f"group {n}" for n in range(planted.GROUPS)}
    assert set(reasons.value) <= known
    assert set(reasons.code) <= {"bought", "co", "similar", "popular", "new"}
    bought = reasons.code == "bought"
    assert (reasons.value[bought] == snapshot.items[ranked.item[bought]]).all()


def test_related_items_are_never_the_item_itself_and_an_unknown_item_has_none(
    bundle: Bundle, snapshot: Snapshot
) -> None:
    asked = [*planted.ITEMS[:5], "no such item"]
    related = bundle.related(snapshot, asked, 4)
    assert set(related.owner) == set(range(5))
    assert np.unique(np.stack([related.owner, related.kind]), axis=1, return_counts=True)[1].max() == 4
    assert (related.item != snapshot.items_of(asked)[related.owner]).all()


def test_later_and_late_facts_change_no_score(bundle: Bundle, tmp_path: Path) -> None:
    settings = Settings(var=tmp_path, pseudonymise=False)
    planted.build(settings, 25, [AS_OF])
    before = bundle.score(Snapshot.load(settings, AS_OF), USERS)
    late = {"ingested_ts": day_end(AS_OF) + timedelta(hours=7)}
    facts = [event("u003", "i59", AS_OF, **late), event("u003", "i58", shift(AS_OF, 1))] * 20
    write(settings, "events", facts)
    same(bundle.score(Snapshot.load(settings, AS_OF), USERS), before)


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no bundle"):
        Bundle.load(tmp_path)
    (tmp_path / "manifest.json").write_text('{"schema": 0}')
    with pytest.raises(BadInput, match="bundle layout 0"):
        Bundle.load(tmp_path)
