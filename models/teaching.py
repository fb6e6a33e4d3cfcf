"""The steps that a training is made of: stage one's fits, the ranker's examples, the ranker."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lake.clock import DayRange
from lake.settings import Settings
from models import labels
from models.candidates import two_tower_data
from models.candidates.two_tower_process import TwoTowerProcess
from models.candidates.union import Union, make_sources
from models.config import TrainingConfig
from models.device import Device
from models.ranking import examples
from models.ranking.examples import Examples
from models.snapshot import Snapshot
from models.stages import Stages

Arrays = Mapping[str, NDArray[Any]]


def lay_out_towers(stages: Stages, config: TrainingConfig, snapshots: Sequence[Snapshot], held_out_days: int) -> None:
    """Lay out what each fit of the two-tower reads; the first holds days out to learn how long to train."""
    if stages.chief:
        (stages.folder / "config.json").write_text(json.dumps(config.get_config()))
    for number, snapshot in enumerate(snapshots):
        held_out = 0 if number else held_out_days
        stages.arrays(f"{snapshot.as_of}", partial(two_tower_data.inputs, snapshot, config, held_out))


def towers_of(stages: Stages, process: TwoTowerProcess, day: date) -> Arrays:
    stages.value(f"stage one to {day}", lambda: process.wait(day.isoformat()), together=True)
    return process.arrays(day.isoformat())


def examples_after(
    settings: Settings, config: TrainingConfig, snapshot: Snapshot, towers: Arrays | None, window: DayRange
) -> Arrays:
    """The queries of one window, for lists of everything and for lists of what was never touched."""
    union = Union(make_sources(config, towers), config, snapshot)
    gains = labels.gains(settings, window.first, window.last, config.event_weights)
    build = partial(
        examples.build,
        union,
        gains,
        max_queries=config.max_queries,
        seed=config.seed,
        memory_mb=settings.scoring_memory_mb,
    )
    return Examples.concatenate([build(only_new=only_new) for only_new in (False, True)]).arrays()


def teach_ranker(
    stages: Stages, name: str, parts: Sequence[Examples], config: TrainingConfig, device: Device, epochs: int | None
) -> Arrays:
    def make() -> dict[str, NDArray[Any]]:
        from models.ranking import wide_deep

        data = Examples.concatenate(list(parts))

        folder = stages.folder / name.replace(" ", "_")
        fitted = wide_deep.fit(data, config.ranker, device, folder, seed=config.seed, epochs=epochs)
        return {**fitted.arrays, "epochs": np.array(fitted.epochs)}

    return stages.arrays(name, make, together=True)


def weights(arrays: Arrays) -> Arrays:
    return {name: values for name, values in arrays.items() if name != "epochs"}
