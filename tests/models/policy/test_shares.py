"""Shares of every beginning of a list, held to their definition."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.policy import shares

LISTS = st.lists(st.lists(st.booleans(), max_size=25), min_size=1, max_size=4)


@settings(deadline=None)
@given(LISTS, st.integers(0, 19).map(lambda n: n / 20))
def test_every_beginning_has_its_share_as_far_as_there_is_any(lists: list[list[bool]], share: float) -> None:
    user = np.repeat(np.arange(len(lists)), [len(each) for each in lists]).astype(np.int32)
    wanted = np.array([mark for each in lists for mark in each], np.bool_)
    key = shares.at_least(user, wanted, np.full(len(user), share))
    order = np.lexsort((np.arange(len(user)), key, user))
    for number, before in enumerate(lists):
        mine = order[user[order] == number]
        after = wanted[mine].tolist()
        for n in range(1, len(after) + 1):
            assert sum(after[:n]) >= min(int(n * share + 1e-9), sum(before))
        for kind in (True, False):
            kept = [at for at in mine if wanted[at] == kind]
            assert kept == sorted(kept), "the order within a kind stays"


@settings(deadline=None)
@given(LISTS, st.integers(1, 19).map(lambda n: n / 20))
def test_a_share_that_holds_already_changes_nothing(lists: list[list[bool]], share: float) -> None:
    user = np.repeat(np.arange(len(lists)), [len(each) for each in lists]).astype(np.int32)
    wanted = np.array([mark for each in lists for mark in each], np.bool_)

    def sort(marks: np.ndarray) -> np.ndarray:
        key = shares.at_least(user, marks, np.full(len(user), share))
        return np.lexsort((np.arange(len(user)), key, user))

    once = wanted[sort(wanted)]
    assert sort(once).tolist() == list(range(len(user)))


def test_each_user_has_a_share_of_their_own() -> None:
    user = np.repeat([0, 1], 4).astype(np.int32)
    wanted = np.array([False, False, True, True] * 2)
    key = shares.at_least(user, wanted, np.where(user == 0, 0.0, 0.5))
    order = np.lexsort((key, user))
    assert wanted[order].tolist() == [False, False, True, True, False, True, False, True]


def test_the_head_is_the_fewest_items_that_make_the_sales() -> None:
    sold = np.array([0.1, 0.4, 0.0, 0.3, 0.2])
    assert shares.head(sold, 0.5).tolist() == [False, True, False, True, False]
    assert shares.head(sold, 0.4).tolist() == [False, True, False, False, False]
    assert shares.head(sold, 0.9999).tolist() == [True, True, False, True, True]
    assert not shares.head(np.zeros(3), 0.5).any()
