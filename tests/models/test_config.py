"""The configuration round-trips, and a wrong one is refused by key."""

import json

import pytest

from lake.errors import BadInput
from models.config import TrainingConfig


def test_every_value_survives_json() -> None:
    config = TrainingConfig.parse(
        '{"seed": 3, "sources": ["own_items"], "ranker": {"hidden": [8], "loss": "pairwise"}}'
    )
    assert TrainingConfig.model_validate(json.loads(json.dumps(config.get_config()))) == config
    assert TrainingConfig.parse("") == TrainingConfig.parse("{}") == TrainingConfig()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"sede": 3}', "sede"),
        ('{"ranker": {"dropout": 1.5}}', r"ranker\.dropout.*1\.5"),
        ('{"sources": ["magic"]}', r"sources\.0"),
        ("{", "no JSON"),
    ],
)
def test_a_wrong_configuration_names_what_is_wrong(text: str, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        TrainingConfig.parse(text)
