"""The space and the configuration know each other: nothing is dropped in silence, nothing is out of range."""

from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution

from lake.errors import BadInput
from models.config import RankerConfig, TrainingConfig, TwoTowerConfig
from models.tuning.space import LEFT_ALONE, RANGES, applied, free, key, values_of

SECTIONS = {"two_tower": TwoTowerConfig, "ranker": RankerConfig}


def ends(name: str) -> list[Any]:
    values = RANGES[name]
    return list(values.choices) if isinstance(values, CategoricalDistribution) else [values.low, values.high]  # type: ignore[attr-defined]


def test_every_setting_of_the_models_is_searched_or_left_alone_by_name() -> None:
    known = {f"{section}.{field}" for section, config in SECTIONS.items() for field in config.model_fields}
    assert set(RANGES) | LEFT_ALONE == known
    assert set(RANGES) & LEFT_ALONE == set()


@pytest.mark.parametrize("name", RANGES)
def test_a_range_holds_the_default_and_nothing_that_training_would_refuse(name: str) -> None:
    for value in ends(name):
        changed = applied(TrainingConfig(), {name: value})
        assert values_of(changed, {name: RANGES[name]}) == {name: value}
    default = values_of(TrainingConfig(), {name: RANGES[name]})[name]
    assert RANGES[name]._contains(RANGES[name].to_internal_repr(default)), "the given settings could not be tried"


def test_what_is_given_is_not_searched() -> None:
    given = TrainingConfig.parse('{"ranker": {"dropout": 0.3}, "two_tower": {"dim": 16}}')
    assert "ranker.dropout" not in free("ranker", given)
    assert "two_tower.dim" not in free("two_tower", given)
    assert {name.partition(".")[0] for name in free("ranker", given)} == {"ranker"}
    every = {name.partition(".")[2]: values_of(TrainingConfig(), RANGES)[name] for name in free("ranker", given)}
    decided = TrainingConfig(ranker=RankerConfig(dropout=0.3, **{**every, "hidden": (8,)}))
    with pytest.raises(BadInput, match="nothing is left to search"):
        free("ranker", decided)


def test_another_space_or_day_is_another_study() -> None:
    space = free("ranker", TrainingConfig())
    assert key(space) == key(dict(reversed(space.items())))
    fewer = {name: values for name, values in space.items() if name != "ranker.dropout"}
    assert len({key(space), key(fewer), key(space, "2026-01-01")}) == 3
