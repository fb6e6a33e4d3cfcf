"""Complements and substitutes told apart on planted baskets: pillow and cover go together, two covers never do."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from lake.columns import EVENT_TYPES
from models.candidates.baskets import BASKET_ITEMS, Association, baskets
from models.candidates.likeness import title_vectors
from models.candidates.related import COMPLEMENT, SUBSTITUTE, RelatedItems
from models.snapshot import Snapshot
from tests.models.policy import tiny

COVERS, PILLOWS = [f"cover{n}" for n in range(4)], [f"pillow{n}" for n in range(4)]
ITEMS = sorted([*COVERS, *PILLOWS, "gift wrap", "teapot"])


def shop(*, views: bool = True, categories: bool = True, titles: bool = False, sessions: int = 120) -> Snapshot:
    """Shoppers compare two covers, buy one and the pillow of the same number; wrap goes into half of all baskets."""
    rng, rows = np.random.default_rng(1), []
    session = 0
    for number in range(sessions):
        one, other = rng.choice(4, 2, replace=False)
        seen = [COVERS[one], COVERS[other], PILLOWS[one]] if views else []
        bought = [COVERS[one]] + ([PILLOWS[one]] if rng.random() < 0.6 else [])
        bought += ["gift wrap"] if rng.random() < 0.5 else []
        rows += [(f"u{number:03}", item, kind, session) for kind, items in (("view", seen), ("purchase", bought))
                 for item in items]  # fmt: skip
        session += 1
        rows += [(f"u{number:03}", item, "purchase", session) for item in ("teapot", "gift wrap") if rng.random() < 0.5]
        session += 1
    kind_of = [name.rstrip("0123456789") if categories else None for name in ITEMS]
    made = tiny.snapshot([(user, item, kind, 1.0) for user, item, kind, _ in rows], ITEMS, category=kind_of)
    rows.sort(key=lambda row: row[0])
    of_event = np.array([number for *_, number in rows], np.int32)
    words = [f"linen {name.rstrip('0123456789')} nr {name[-1]}" if titles else None for name in ITEMS]
    catalogue = replace(made.catalogue, title=np.array(words, dtype=object))
    return replace(made, events=replace(made.events, session=of_event), catalogue=catalogue)


def partners(made: Snapshot, item: str, kind: int, k: int = 3) -> list[str]:
    found = RelatedItems(made).of(made.items_of([item]), k)
    return [str(name) for name in made.items[found.item[found.kind == kind]]]


@pytest.mark.parametrize("number", range(4))
def test_what_is_bought_together_leads_and_what_is_bought_instead_is_no_complement(number: int) -> None:
    found = partners(shop(), COVERS[number], COMPLEMENT)
    assert found[0] == PILLOWS[number]
    assert not set(found) & set(COVERS)


def test_a_best_seller_that_is_in_every_second_basket_goes_well_with_nothing() -> None:
    made = shop()
    assert all("gift wrap" not in partners(made, item, COMPLEMENT)[:1] for item in COVERS)


def test_substitutes_are_of_the_same_kind() -> None:
    made = shop()
    for item in COVERS:
        assert set(partners(made, item, SUBSTITUTE)) == set(COVERS) - {item}


@pytest.mark.parametrize(("views", "titles"), [(False, True), (True, True), (True, False)])
def test_a_log_without_categories_goes_by_baskets_titles_and_views(views: bool, titles: bool) -> None:
    made = shop(views=views, categories=False, titles=titles)
    assert partners(made, "cover1", COMPLEMENT)[0] == "pillow1"
    similar = partners(made, "cover1", SUBSTITUTE)
    if titles:
        assert set(similar) == set(COVERS) - {"cover1"}
    assert "teapot" not in similar


def test_without_any_content_what_is_looked_at_together_is_similar_and_what_is_bought_together_goes_well() -> None:
    made = shop(categories=False)
    assert partners(made, "cover1", COMPLEMENT, 1) == ["pillow1"]
    found = RelatedItems(made).of(made.items_of(["cover1"]), 5)
    similar = found.take(found.kind == SUBSTITUTE)
    assert set(made.items[similar.item]) <= set(COVERS) | set(PILLOWS)
    assert not similar.alike.any()


def test_without_purchases_what_is_looked_at_together_is_similar_unless_it_is_of_another_kind() -> None:
    made = shop(sessions=300)
    views = made.events.kind == EVENT_TYPES.index("view")
    log = made.events
    looked = replace(made, events=type(log)(*(getattr(log, name)[views] for name in log.__dataclass_fields__)))
    assert partners(looked, "cover1", COMPLEMENT, 1) == ["pillow1"]
    assert set(partners(looked, "cover1", SUBSTITUTE)) == set(COVERS) - {"cover1"}
    bare = replace(looked, catalogue=replace(looked.catalogue, category=np.full(len(ITEMS), -1, np.int32)))
    assert not partners(bare, "cover1", COMPLEMENT)
    assert partners(bare, "cover1", SUBSTITUTE)[0] == "pillow1"


def test_the_nearer_in_price_and_brand_stands_in_first() -> None:
    made = shop()
    price = np.where([name == "cover3" for name in ITEMS], 11.0, 40.0).astype(np.float32)
    price[ITEMS.index("cover0")] = 10.0
    priced = replace(made, catalogue=replace(made.catalogue, price=price))
    assert partners(priced, "cover0", SUBSTITUTE)[0] == "cover3"


def test_vectors_of_a_model_count_too() -> None:
    made = shop(categories=False, views=False)
    vectors = np.eye(len(ITEMS), dtype=np.float32)
    vectors[ITEMS.index("teapot")] = vectors[ITEMS.index("cover0")]
    found = RelatedItems(made, vectors).of(made.items_of(["cover0"]), 3)
    assert list(made.items[found.item[found.kind == SUBSTITUTE]]) == ["teapot"]
    assert found.alike[found.kind == SUBSTITUTE].all()


def test_batches_and_unknown_items_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made = shop()
    asked = np.array([3, -1, 0, 5], np.int32)
    whole = RelatedItems(made).of(asked, 4)
    assert 1 not in whole.owner
    assert (whole.item != asked[whole.owner]).all()
    order = np.lexsort((whole.item, -whole.score, whole.owner))
    assert (np.diff(whole.owner) >= 0).all()
    assert (whole.score[order] == whole.score).all(), "best first, complements above substitutes"
    monkeypatch.setattr("models.candidates.related.CELLS", 1)
    parts = RelatedItems(made).of(asked, 4)
    assert all(np.array_equal(getattr(parts, name), getattr(whole, name)) for name in whole.__dataclass_fields__)


@pytest.mark.parametrize("events", [[], [("u1", "a", "view", 1.0)], [("u1", "a", "purchase", 1.0)]])
def test_a_log_that_says_nothing_relates_nothing(events: Sequence[tiny.Event]) -> None:
    made = tiny.snapshot(events, ["a", "b"])
    assert len(RelatedItems(made).of(np.arange(2, dtype=np.int32), 5)) == 0
    assert len(RelatedItems(tiny.snapshot([], [])).of(np.zeros(0, np.int32), 5)) == 0


def test_baskets_are_sessions_or_a_shoppers_days_and_hold_the_latest_items() -> None:
    names = [f"i{n:02}" for n in range(BASKET_ITEMS + 10)]
    events: list[tiny.Event] = [("u1", name, "purchase", 1.0 + n / 100) for n, name in enumerate(names)]
    events += [("u1", "i00", "purchase", 1.5), ("u2", "i00", "purchase", 1.0), (None, "i01", "purchase", 1.0)]
    made = tiny.snapshot(events, names)
    matrix = baskets(made, made.events.kind == EVENT_TYPES.index("purchase"))
    assert sorted(np.asarray(matrix.sum(axis=1)).ravel()) == [1, BASKET_ITEMS]
    assert matrix.max() == 1
    assert not matrix[:, BASKET_ITEMS:].nnz


def test_one_basket_is_chance() -> None:
    made = tiny.snapshot([("u1", "a", "purchase", 1.0), ("u1", "b", "purchase", 1.0)], ["a", "b"])
    matrix = baskets(made, np.ones(2, np.bool_))
    assert not Association(matrix).of(np.arange(2, dtype=np.int32), 1.0).strength.any()


def test_titles_are_near_by_their_rare_words() -> None:
    vectors = title_vectors(["red mug", "blue mug", "red lamp shade", None, "blue mug"]).toarray()
    near = vectors @ vectors.T
    assert near[1, 4] == pytest.approx(1.0)
    assert near[0, 1] > near[0, 3] == 0
    assert near[2, 1] == 0
