"""What a search varies: a range for each setting by name, and which settings it leaves alone."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)

from lake.errors import BadInput
from models.config import TrainingConfig

Stage = Literal["two_tower", "ranker"]
Space = Mapping[str, BaseDistribution]
Values = Mapping[str, Any]

LAYERS: dict[str, tuple[int, ...]] = {"32": (32,), "64-32": (64, 32), "128-64": (128, 64), "128-64-32": (128, 64, 32)}
"""The deep part's layers by the names that stand in a study."""

RANGES: dict[str, BaseDistribution] = {
    "two_tower.dim": IntDistribution(32, 256, step=32),
    "two_tower.history": IntDistribution(10, 100, step=10),
    "two_tower.half_life_days": FloatDistribution(10.0, 365.0, log=True),
    "two_tower.hidden": IntDistribution(0, 128, step=32),
    "two_tower.temperature": FloatDistribution(0.03, 0.3, log=True),
    "two_tower.batch_size": IntDistribution(256, 4096, step=256),
    "two_tower.learning_rate": FloatDistribution(3e-4, 3e-2, log=True),
    "two_tower.encoder": CategoricalDistribution(("mean", "attention")),
    "two_tower.loss": CategoricalDistribution(("softmax", "bpr", "cross_entropy")),
    "two_tower.log_q": CategoricalDistribution(("counts", "streaming", "off")),
    "two_tower.uniform_negatives": IntDistribution(0, 2048, step=256),
    "two_tower.hard_negatives": CategoricalDistribution((0, 20, 100)),
    "ranker.loss": CategoricalDistribution(("listwise", "pairwise", "cross_entropy")),
    "ranker.hidden": CategoricalDistribution(tuple(LAYERS)),
    "ranker.dropout": FloatDistribution(0.0, 0.5),
    "ranker.table_l2": FloatDistribution(1e-6, 1e-1, log=True),
    "ranker.batch_queries": IntDistribution(16, 128, step=16),
    "ranker.learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
}

LEFT_ALONE = frozenset(
    {
        "two_tower.title_buckets",
        "two_tower.user_buckets",
        "two_tower.max_epochs",
        "two_tower.patience",
        "two_tower.warm_epochs",
        "two_tower.max_examples",
        "ranker.networks",
        "ranker.item_dim",
        "ranker.cross_buckets",
        "ranker.max_epochs",
        "ranker.patience",
        "ranker.held_out",
        "ranker.margin_weight",
    }
)
"""Sizes of hash tables, and how many, how long and on how much is trained: more costs time rather than quality; and
what the shop wants."""


def free(stage: Stage, given: TrainingConfig) -> dict[str, BaseDistribution]:
    """The ranges of a stage, without what `given` sets explicitly: that is taken for decided.

    Raises:
        BadInput: nothing is left to search.
    """
    decided = getattr(given, stage).model_fields_set
    found = {
        name: values
        for name, values in RANGES.items()
        if name.startswith(f"{stage}.") and name.partition(".")[2] not in decided
    }
    if not found:
        raise BadInput(f"--config sets every searched setting of {stage}, so nothing is left to search; leave some out")
    return found


def applied(config: TrainingConfig, values: Values) -> TrainingConfig:
    """The configuration with some values changed, validated."""
    content = config.get_config()
    for name, value in values.items():
        section, _, field = name.partition(".")
        content[section][field] = LAYERS[value] if name == "ranker.hidden" else value
    return TrainingConfig.model_validate(content)


def values_of(config: TrainingConfig, space: Space) -> dict[str, Any]:
    """The configuration's own values of what is searched, as they stand in a study."""
    named = {layers: name for name, layers in LAYERS.items()}
    found = {}
    for name in space:
        section, _, field = name.partition(".")
        value = getattr(getattr(config, section), field)
        found[name] = named[value] if name == "ranker.hidden" else value
    return found


def key(space: Space, *more: Any) -> str:
    """Eight hexadecimal digits that change with the space or with anything else given."""
    told = {name: distribution_to_json(values) for name, values in space.items()}
    return hashlib.sha256(json.dumps([told, *more], sort_keys=True, default=str).encode()).hexdigest()[:8]
