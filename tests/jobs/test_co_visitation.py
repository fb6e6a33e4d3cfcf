"""Pairs worked out by hand, and a slow, plain computation of the same on a random log."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import timedelta
from math import sqrt
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs import co_visitation as module
from jobs.as_of import AGE, AsOf
from jobs.co_visitation import co_visitation
from lake.columns import Columns as C
from lake.settings import Settings
from tests.jobs.planted_log import DAY, at, event, events_frame

pytestmark = pytest.mark.integration

HALF_LIFE = 60


def decay(age: int) -> float:
    return round(0.5 ** (age / HALF_LIFE) * 1e6)


@pytest.fixture(scope="module")
def rows(known: AsOf) -> dict[tuple[str, str, str], Any]:
    found = co_visitation(known).collect()
    keyed = {(row[C.RELATION], row[C.ITEM_ID], row[C.OTHER_ITEM_ID]): row for row in found}
    assert len(keyed) == len(found), "a pair stands once"
    return keyed


def test_together_counts_views_and_anonymous_sessions(rows) -> None:
    own_a = 2 * decay(0) + 3 * decay(1) + sum(map(decay, (29, 30, 89, 90)))
    own_b = decay(0) + decay(1) + decay(3)
    row = rows["together", "A", "B"]
    assert row[C.WEIGHT] == pytest.approx((decay(0) + decay(1)) / sqrt(own_a * own_b))
    assert row[C.PAIRS] == 2
    assert rows["together", "A", "C"][C.PAIRS] == 1, "the anonymous session"
    assert rows["together", "B", "A"][C.WEIGHT] == row[C.WEIGHT]


def test_bought_needs_both_bought_in_one_basket(rows) -> None:
    row = rows["bought", "A", "B"]
    assert row[C.PAIRS] == 1
    own_a, own_b = decay(0) + 2 * decay(1) + decay(90), decay(1) + decay(3)
    assert row[C.WEIGHT] == pytest.approx(decay(1) / sqrt(own_a * own_b))
    assert ("bought", "A", "C") not in rows


def test_next_has_a_direction_and_a_distance(rows) -> None:
    own_a, own_b, own_c = decay(0) + 2 * decay(1), decay(0) + decay(1), decay(6) + decay(364)
    assert rows["next", "B", "A"][C.WEIGHT] == pytest.approx(decay(0) / sqrt(own_a * own_b))
    assert rows["next", "C", "B"][C.WEIGHT] == pytest.approx(decay(3) / sqrt(own_c * own_b))
    assert rows["next", "C", "A"][C.WEIGHT] == pytest.approx(decay(0) / 2 / sqrt(own_c * own_a), rel=1e-5)
    assert ("next", "A", "C") not in rows, "three weeks lie between"
    assert ("next", "B", "C") not in rows, "it was the other way round"


def test_a_giant_basket_counts_by_its_newest_fifty(rows) -> None:
    giant = {item for relation, item, _ in rows if item.startswith("W") and relation != "next"}
    assert giant == {f"W{i:03d}" for i in range(70, 120)}


def test_a_bot_makes_no_pairs_and_nothing_pairs_with_itself(rows) -> None:
    assert not [key for key in rows if "Z" in key[1:]]
    assert not [key for key in rows if key[1] == key[2]]


def test_weights_are_cosines_and_ranks_follow_them(rows) -> None:
    lists = defaultdict(list)
    for (relation, item, _), row in rows.items():
        assert 0 < row[C.WEIGHT] <= 1 + 1e-9
        assert row[C.DS] == DAY.isoformat()
        lists[relation, item].append(row)
    for partners in lists.values():
        partners.sort(key=lambda row: row[C.RANK])
        assert [row[C.RANK] for row in partners] == list(range(1, len(partners) + 1))
        order = [(-row[C.WEIGHT], -row[C.PAIRS], row[C.OTHER_ITEM_ID]) for row in partners]
        assert order == sorted(order)


def random_log(seed: int) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    rows = []
    for _ in range(400):
        user = draw.choice([None, *(f"u{i}" for i in range(12))])
        session = draw.choice([None, None, *(f"{user}-s{i}" for i in range(4))])
        when = at(draw.randrange(60)) + timedelta(minutes=draw.randrange(600))
        kind = draw.choice(["view", "view", "cart", "purchase"])
        rows.append(event(user, f"i{draw.randrange(15):02d}", kind, when, session_id=session))
    return rows


def plainly(rows: Iterable[dict[str, Any]], fewest: int, partners: int) -> dict[tuple[str, str], list[str]]:
    """The definition, event by event: ranked partners by relation and item."""
    baskets: dict[Any, dict[str, list]] = defaultdict(lambda: defaultdict(list))
    first: dict[str, dict] = defaultdict(dict)
    for row in rows:
        age = (DAY - row[C.EVENT_TS].date()).days
        if row[C.SESSION_ID] or row[C.USER_ID]:
            key = ("s", row[C.SESSION_ID]) if row[C.SESSION_ID] else (age, row[C.USER_ID])
            baskets[key][row[C.ITEM_ID]].append((age, row[C.EVENT_TYPE] == "purchase"))
        if row[C.USER_ID]:
            seen = first[row[C.USER_ID]]
            seen[row[C.ITEM_ID], age] = min(row[C.EVENT_TS], seen.get((row[C.ITEM_ID], age), row[C.EVENT_TS]))
    pair, n, own = Counter(), Counter(), Counter()
    for lines in baskets.values():
        weight = decay(min(age for line in lines.values() for age, _ in line))
        for relation in ("together", "bought"):
            items = [item for item, line in lines.items() if relation == "together" or any(b for _, b in line)]
            for a in items:
                own[relation, a] += weight
                for b in set(items) - {a}:
                    pair[relation, a, b] += weight
                    n[relation, a, b] += 1
    for seen in first.values():
        moments = sorted(set(seen.values()))
        best, mine = Counter(), Counter()
        for (a, age), when in seen.items():
            mine[a] = max(mine[a], decay(age))
            for (b, later_age), later in seen.items():
                gap = moments.index(later) - moments.index(when)
                if a != b and 1 <= gap <= module.NEXT_STEPS and later - when <= timedelta(days=module.NEXT_DAYS):
                    best[a, b] = max(best[a, b], decay(later_age) // gap)
        for (a, b), weight in best.items():
            pair["next", a, b] += weight
            n["next", a, b] += 1
        for a, weight in mine.items():
            own["next", a] += weight
    ranked: dict[tuple[str, str], list] = defaultdict(list)
    for (relation, a, b), weight in pair.items():
        if n[relation, a, b] >= fewest:
            cosine = weight / sqrt(own[relation, a] * own[relation, b])
            ranked[relation, a].append((-round(cosine, 12), -n[relation, a, b], b))
    return {key: [b for *_, b in sorted(found)[:partners]] for key, found in ranked.items()}


def test_a_large_log_equals_the_plain_computation(spark: SparkSession, planted: Settings, monkeypatch) -> None:
    monkeypatch.setattr(module, "PARTNERS", 4)
    monkeypatch.setattr(module, "LARGE_LOG", 10)
    log = random_log(7)
    view = AsOf(spark, planted, DAY)
    age = F.datediff(F.lit(DAY.isoformat()).cast("date"), F.col(C.DS).cast("date"))
    view.__dict__["events"] = events_frame(spark, log).withColumn(AGE, age).persist()
    found = defaultdict(list)
    for row in sorted(co_visitation(view).collect(), key=lambda row: row[C.RANK]):
        found[row[C.RELATION], row[C.ITEM_ID]].append(row[C.OTHER_ITEM_ID])
    assert dict(found) == plainly(log, fewest=2, partners=4)
    assert {relation for relation, _ in found} == {"together", "bought", "next"}
    view.release()
