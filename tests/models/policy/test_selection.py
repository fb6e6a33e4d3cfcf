"""Which items a rule speaks of."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from models.policy.objectives import Season
from models.policy.selection import Selection
from models.snapshot import Snapshot
from tests.models.policy import tiny

ITEMS = ["100", "200", "300", "400"]


def shop() -> Snapshot:
    made = tiny.snapshot(
        [("u", "100", "view", 1.0)], ITEMS, category=["home/kitchen", "home/kitchenware", "Home > Bath", None]
    )
    titles = np.array(["Red CHRISTMAS mug", "Mugs, red", None, "Bath towel"], dtype=object)
    catalogue = replace(
        made.catalogue,
        title=titles,
        brand=np.array([0, 1, -1, 0], np.int32),
        brands=("Acme", "Bolt"),
        price=np.array([9.99, 20.0, np.nan, 5.0], np.float32),
    )
    return replace(made, catalogue=catalogue)


@pytest.mark.parametrize(
    ("what", "items"),
    [
        ({"items": [100, "400", "nope"]}, ["100", "400"]),
        ({"categories": ["home/kitchen"]}, ["100"]),
        ({"categories": ["HOME"]}, ["100", "200", "300"]),
        ({"categories": ["kitchen"]}, []),
        ({"brands": ["acme"]}, ["100", "400"]),
        ({"title_words": ["christmas", "towel"]}, ["100", "400"]),
        ({"title_words": ["mug"]}, ["100"]),
        ({"price": {"at_least": 5, "at_most": 9.99}}, ["100", "400"]),
        ({"price": {"at_most": 4}}, []),
        ({"brands": ["acme"], "title_words": ["red"]}, ["100"]),
    ],
)
def test_every_key_given_must_hold_by_one_of_its_values(what: dict[str, Any], items: list[str]) -> None:
    made = shop()
    assert list(made.items[Selection.model_validate(what).matches(made)]) == items


@pytest.mark.parametrize(
    "what",
    [{}, {"items": []}, {"items": [""]}, {"colour": ["red"]}, {"price": {}}, {"price": {"at_least": 2, "at_most": 1}}],
)
def test_a_selection_of_nothing_is_refused(what: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Selection.model_validate(what)


@pytest.mark.parametrize(
    ("time", "day", "holds"),
    [
        ({"from": "10-15", "to": "12-24"}, "10-15", True),
        ({"from": "10-15", "to": "12-24"}, "12-24", True),
        ({"from": "10-15", "to": "12-24"}, "12-25", False),
        ({"from": "12-20", "to": "01-06"}, "01-06", True),
        ({"from": "12-20", "to": "01-06"}, "12-31", True),
        ({"from": "12-20", "to": "01-06"}, "06-01", False),
        ({"months": [6, 7]}, "07-31", True),
        ({"months": [6, 7]}, "08-01", False),
    ],
)
def test_a_season_holds_every_year(time: dict[str, Any], day: str, holds: bool) -> None:
    season = Season.model_validate({"name": "s", "boost": 1, "what": {"items": ["a"]}} | time)
    for year in (2024, 2027):
        assert season.holds(date.fromisoformat(f"{year}-{day}")) is holds
    assert Season.model_validate(season.model_dump(mode="json", by_alias=True)) == season


@pytest.mark.parametrize(
    "time",
    [
        {},
        {"from": "10-15"},
        {"from": "10-15", "to": "13-01"},
        {"from": "02-30", "to": "03-01"},
        {"from": "2026-10-15", "to": "2026-12-24"},
        {"months": [0]},
        {"months": [5], "from": "10-15", "to": "12-24"},
    ],
)
def test_a_season_without_a_time_is_refused(time: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Season.model_validate({"name": "s", "boost": 1, "what": {"items": ["a"]}} | time)
