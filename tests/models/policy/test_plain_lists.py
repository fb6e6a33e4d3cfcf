"""Without objectives and merchandisers' rules a list is what the plain rules give, item by item."""

import numpy as np
import pytest

from models.interface import Ranked
from models.policy.repeats import recently_bought
from models.policy.segments import segment_lists
from models.policy.surface_lists import SurfacePolicy
from models.snapshot import Snapshot
from models.surfaces import Surface
from tests.models.policy import tiny

K = 20


def shop(seed: int) -> tuple[Snapshot, list[str], Ranked]:
    rng = np.random.default_rng(seed)
    items, users = [f"i{n:03}" for n in range(80)], [f"u{n:02}" for n in range(30)]
    kinds = ["view", "purchase", "cart"]
    events: list[tiny.Event] = [
        (user, items[item], kinds[rng.integers(3)], float(rng.uniform(0, 120)))
        for user in [*users, None]
        for item in rng.integers(0, 70, 8)
    ]
    made = tiny.snapshot(
        events,
        items,
        category=[["a", "b", "c", None][code] for code in rng.integers(0, 4, 80)],
        out_of_stock=[items[item] for item in rng.integers(0, 80, 10)],
        age_days=[float(age) for age in rng.uniform(1, 200, 80)],
        country={user: ["GB", "FR"][n % 2] for n, user in enumerate(users)},
    )
    lists = [[items[at] for at in rng.permutation(80)[: rng.integers(0, 60)]] for _ in users]
    return made, users, tiny.ranked(made, lists)


def by_hand(made: Snapshot, surface: Surface, candidates: list[int], row: int) -> list[int]:
    rules, catalogue = surface.rules, made.catalogue
    pairs = set()
    if rules.recently_bought:
        told = rules.recently_bought
        keys = recently_bought(made.events, len(made.items), told.days, told.repurchase_rate).keys
        pairs = {(int(key) // len(made.items), int(key) % len(made.items)) for key in keys}
    touched = set(made.touched[row].indices.tolist()) if surface.only_new else set()
    policy = SurfacePolicy(surface, made, K)
    chosen: list[int] = []
    for source in (candidates, policy.filler.tolist()):
        if len(chosen) >= K:
            break
        front, back, seen = [], [], [catalogue.category[item] for item in chosen]
        for item in source:
            if item in chosen + front + back or item in touched or (row, item) in pairs or not catalogue.in_stock[item]:
                continue
            code = catalogue.category[item]
            full = code >= 0 and seen.count(code) >= np.ceil(K * rules.max_per_category)
            seen.append(code)
            (back if full else front).append(item)
        chosen += front + back
    return chosen[:K]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "written",
    [
        {"name": "home", "rules": {"max_per_category": 0.4}},
        {"name": "discover", "only_new": True, "rules": {"recently_bought": None, "max_per_category": 0.6}},
        {"name": "x", "rules": {"recently_bought": {"days": 30, "repurchase_rate": 0.5}}},
    ],
    ids=lambda written: str(written["name"]),
)
def test_defaults_change_nothing(seed: int, written: dict[str, object]) -> None:
    made, users, ranked = shop(seed)
    surface = Surface.model_validate(written)
    policy = SurfacePolicy(surface, made, K)
    entries = policy.lists(ranked, made.rows_of(users))
    for number in range(len(users)):
        mine = entries.take(entries.user == number)
        wanted = by_hand(made, surface, ranked.item[ranked.user == number].tolist(), number)
        assert mine.item.tolist() == wanted
        found = ~mine.filled
        scores = dict(zip(ranked.item[ranked.user == number], ranked.score[ranked.user == number], strict=True))
        assert [scores[item] for item in mine.item[found]] == mine.score[found].tolist(), "scores are the ranker's"
    plain = segment_lists(made, surface.segments, policy.allowed, K, surface.segment_min_shoppers)
    for one, other in zip(policy.segments(), plain, strict=True):
        assert (one.name, one.items.tolist(), one.score.tolist()) == (
            other.name,
            other.items.tolist(),
            other.score.tolist(),
        )
