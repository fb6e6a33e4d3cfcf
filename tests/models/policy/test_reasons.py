"""Every reason can be checked against the log."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import sparse

from lake.columns import EVENT_TYPES
from models.bundle import Bundle
from models.config import TrainingConfig
from models.interface import Ranked, Reasons
from models.policy.reasons import Explainer
from models.policy.surface_lists import SurfacePolicy
from models.snapshot import RELATIONS, Snapshot
from models.surfaces import Surface
from storefront.contract import REASON_CODES
from tests.models.policy import tiny

ITEMS = [f"i{n:02}" for n in range(30)]
CATEGORIES = ["mugs" if n % 2 else "lamps" for n in range(30)]
USERS = [f"u{n:02}" for n in range(20)]


def shop() -> Snapshot:
    rng = np.random.default_rng(4)
    events: list[tiny.Event] = []
    for user in USERS:
        for item in rng.choice(24, 4, replace=False):
            kind = "purchase" if rng.random() < 0.5 else "view"
            events.append((user, ITEMS[item], kind, float(rng.uniform(1, 60))))
    ages = [200.0] * 26 + [2.0, 3.0, 4.0, 5.0]
    made = tiny.snapshot(events, ITEMS, category=CATEGORIES, age_days=ages, country=dict.fromkeys(USERS, "GB"))
    pairs = [(n, (n + 1) % 24) for n in range(24)]
    at = ([a for a, _ in pairs], [b for _, b in pairs])
    matrix = sparse.csr_matrix((np.ones(24, np.float32), at), shape=(30, 30))
    affinity = sparse.csr_matrix(np.tile(np.array([0.0, 0.5], np.float32), (len(USERS), 1)))
    return replace(made, co_visitation=dict.fromkeys(RELATIONS, matrix), category_affinity=affinity)


def test_every_reason_is_true() -> None:
    made = shop()
    config = TrainingConfig(sources=("own_items", "co_visitation", "popular", "new_items"), per_source=6)
    bundle, users = Bundle({}, config), [*USERS, "stranger"]
    policy = SurfacePolicy(Surface(name="home"), made, 30)
    entries = policy.lists(bundle.score(made, users), made.rows_of(users))
    why = Explainer(bundle, made).of(users, entries)
    touched = {user: set(made.items[made.touched[row].indices]) for user, row in zip(USERS, range(20), strict=True)}
    log = made.events
    bought = {
        (u, i) for u, i, kind in zip(log.user, log.item, log.kind, strict=True) if EVENT_TYPES[kind] == "purchase"
    }
    met, seen = set().union(*touched.values()), set()
    for user, index, filled, code, value in zip(
        entries.user, entries.item, entries.filled, why.code, why.value, strict=True
    ):
        item, history = made.items[index], touched.get(users[user], set())
        seen.add((code, bool(filled)))
        assert code in REASON_CODES
        if code in ("bought", "seen"):
            assert item in history
            assert ((USERS.index(users[user]), index) in bought) == (code == "bought")
            assert value == (item if code == "bought" else None)
        elif code == "co":
            assert value in history
            assert (ITEMS.index(value) + 1) % 24 == ITEMS.index(item)
        elif code == "new":
            liked = CATEGORIES[ITEMS.index(item)] == "mugs" and users[user] != "stranger"
            assert value == ("mugs" if liked else None)
            assert ITEMS.index(item) >= 26
        elif code == "listed":
            assert item not in met
            assert ITEMS.index(item) < 26
            assert value is None
        else:
            assert value in ("all", "country=GB")
            assert item in met
    assert {code for code, _ in seen} == {"bought", "seen", "co", "popular", "new", "listed"}
    assert {("popular", True), ("listed", True)} <= seen, "lists were filled up as well"


def test_no_item_is_explained_by_itself() -> None:
    made = shop()
    config = TrainingConfig(sources=("own_items", "popular"), per_source=6)
    bundle, policy = Bundle({}, config), SurfacePolicy(Surface(name="home"), made, 28)
    entries = policy.lists(bundle.score(made, USERS[:3]), made.rows_of(USERS[:3]))

    class LikeItself(Bundle):
        def explain(self, snapshot: Snapshot, users: Sequence[str], ranked: Ranked) -> Reasons:
            return Reasons(np.full(len(ranked.item), "similar", object), snapshot.items[ranked.item].astype(object))

    why = Explainer(LikeItself({}, config), made).of(USERS[:3], entries)
    assert set(why.code[~entries.filled]) <= {"bought", "seen"}
