"""Fixed places, held to what a person would do with a list on paper."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.policy import placing
from models.policy.entries import Entries

ITEMS = 12


def entries(lists: list[list[int]], ranks: list[list[int]] | None = None, filled: bool = False) -> Entries:
    user = np.repeat(np.arange(len(lists)), [len(each) for each in lists]).astype(np.int32)
    item = np.array([item for each in lists for item in each], np.int32)
    wanted = ranks or [list(range(1, len(each) + 1)) for each in lists]
    rank = np.array([rank for each in wanted for rank in each], np.int32)
    score = -rank.astype(np.float32)
    source, filled_up = np.full(len(user), 1, np.int8), np.full(len(user), filled)
    return Entries(user, item, rank, score, source, filled_up, np.full(len(user), np.nan, np.float32))


def by_hand(items: list[int], fixed: list[tuple[int, int]]) -> list[int]:
    """`fixed` is (rank, item) in the order of precedence within a rank."""
    places: dict[int, int] = {}
    last = 0
    for rank, item in fixed:
        last = max(rank, last + 1)
        places[last] = item
    rest = [item for item in items if item not in places.values()]
    placed: list[int] = []
    while places or rest:
        if len(placed) + 1 in places:
            placed.append(places.pop(len(placed) + 1))
        elif rest:
            placed.append(rest.pop(0))
        else:
            placed.append(places.pop(min(places)))
    return placed


PINS = st.lists(st.tuples(st.integers(1, 15), st.integers(0, ITEMS - 1)), max_size=5, unique_by=lambda pin: pin[1])
LIST = st.permutations(range(ITEMS)).flatmap(lambda all_: st.integers(0, ITEMS).map(lambda n: list(all_)[:n]))


@settings(deadline=None)
@given(st.lists(st.tuples(LIST, PINS), min_size=1, max_size=4))
def test_places_are_kept_and_the_rest_flows_around_them(users: list[tuple[list[int], list[tuple[int, int]]]]) -> None:
    pins = [sorted(wanted, key=lambda pin: pin[0]) for _, wanted in users]
    fixed = entries([[i for _, i in each] for each in pins], [[r for r, _ in each] for each in pins])
    placed = placing.place(entries([items for items, _ in users]), fixed, ITEMS)
    for number, (items, _) in enumerate(users):
        mine = placed.take(placed.user == number)
        assert mine.item.tolist() == by_hand(items, pins[number])
        assert mine.rank.tolist() == list(range(1, len(mine) + 1))


def test_what_is_placed_keeps_score_and_source_of_the_candidate_it_is() -> None:
    candidates = entries([[3, 4], [5]])
    wanted = entries([[4, 9], []], filled=True)
    found = placing.as_found(wanted, candidates, ITEMS)
    assert found.filled.tolist() == [False, True]
    assert found.score.tolist() == [-2.0, -2.0]
    assert placing.as_found(wanted, candidates.take(np.zeros(3, np.bool_)), ITEMS).filled.all()
