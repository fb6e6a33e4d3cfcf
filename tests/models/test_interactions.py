"""The log as the tuned baselines see it: wound back, it knows nothing of what came after."""

import numpy as np
import pytest

from models.baselines.light import best_first
from models.interactions import Interactions, batches
from models.metrics import PAD


def interactions(rows: list[tuple[int, int, float]], liked: list[bool] | None = None) -> Interactions:
    """Rows of (user, item, age in days) of 3 shoppers and 5 items."""
    user, item, age = (np.array(column) for column in zip(*rows, strict=True))
    good = np.array(liked if liked is not None else [True] * len(rows))
    return Interactions(3, 5, user.astype(np.int32), item.astype(np.int32), age.astype(np.float32), good)


LOG = [(0, 1, 0.5), (0, 1, 10.2), (0, 2, 20.0), (1, 2, 3.0), (-1, 3, 1.0), (1, 0, 14.0)]


def test_wound_back_it_is_the_log_of_that_day() -> None:
    then = interactions(LOG).rewound(10)
    assert then.item.tolist() == [1, 2, 0]
    assert then.age == pytest.approx([0.2, 10.0, 4.0])
    assert interactions(LOG).wanted(10).toarray().nonzero()[1].tolist() == [1, 2]


def test_what_comes_after_changes_nothing_before() -> None:
    later = interactions([*LOG, (2, 4, 1.0), (0, 4, 9.9)]).rewound(10)
    before = interactions(LOG).rewound(10)
    assert (later.taste(30) != before.taste(30)).nnz == 0
    assert (later.habit(30) != before.habit(30)).nnz == 0
    assert later.popularity(30).tolist() == before.popularity(30).tolist()


def test_taste_and_habit_by_hand() -> None:
    log = interactions([(0, 1, 0.0), (0, 1, 10.0), (0, 2, 10.0), (1, 3, 30.0)])
    assert log.taste(10).toarray()[0] == pytest.approx([0, 1, 0.5, 0, 0])
    assert log.habit(10).toarray()[0] == pytest.approx([0, 1, 0.5 / 1.5, 0, 0])
    assert log.habit(10).toarray()[1, 3] == 1.0


def test_an_item_bought_five_hundred_times_in_a_day_is_one_visit() -> None:
    once = interactions([(0, 1, 5.0), (0, 2, 1.0)])
    often = interactions([(0, 1, 5.0)] * 500 + [(0, 2, 1.0)])
    assert (once.habit(30) != often.habit(30)).nnz == 0
    assert (once.taste(30) != often.taste(30)).nnz == 0


def test_a_rating_under_the_threshold_is_touched_but_not_wanted() -> None:
    log = interactions([(0, 1, 5.0), (0, 2, 1.0)], [True, False])
    assert log.touched.toarray()[0].tolist() == [0, 1, 1, 0, 0]
    assert log.wanted(10).toarray()[0].tolist() == [0, 1, 0, 0, 0]
    assert log.popularity(10)[2] == 0


def test_best_first_keeps_ties_in_order_for_any_k() -> None:
    scores = np.array([[1.0, 3.0, 1.0, 1.0, -np.inf], [2.0, 2.0, 2.0, 2.0, 2.0]])
    whole = best_first(scores, 9)
    assert whole.tolist() == [[1, 0, 2, 3, PAD], [0, 1, 2, 3, 4]]
    for k in range(6):
        assert best_first(scores, k).tolist() == whole[:, :k].tolist()


def test_batches_cover_everything_once() -> None:
    parts = list(batches(10, 3, cells=10))
    assert np.concatenate([np.arange(10)[part] for part in parts]).tolist() == list(range(10))
    assert all((part.stop - part.start) * 3 <= 10 for part in parts)
