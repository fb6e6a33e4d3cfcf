"""The ranker on two virtual devices: the loss curve of one device, query by query the same step."""

from pathlib import Path

import pytest

from infra.checks import distributed, distributed_data, distributed_run
from lake.settings import Settings
from models.device import choose


@pytest.mark.verify  # half a minute; that of the two-tower is among the tests of every change
def test_two_devices_learn_as_one(tmp_path: Path) -> None:
    from models.ranking import wide_deep

    config = distributed_data.RANKER.model_copy(update={"dropout": 0.0})
    assert len(distributed_data.ranker_examples()) % 2, "the last step would have equal parts"
    device = choose(Settings(accelerator="cpu"))
    alone = wide_deep.fit(distributed_data.ranker_examples(), config, device, tmp_path, seed=distributed_run.SEED)
    shared = distributed.train("ranker", "mirrored")[0]
    assert shared["replicas"] == 2
    assert shared["curve"] == pytest.approx(alone.curve, rel=1e-3)
    assert shared["held_out"] == pytest.approx(alone.loss, rel=1e-3)
    assert shared["curve"][-1] < 0.9 * shared["curve"][0], "nothing was learned"


def test_curves_differ_by_their_worst_point() -> None:
    assert distributed.difference([2.0, 1.0], [2.0, 1.1]) == pytest.approx(0.1)
    assert distributed.difference([2.0, 1.0], [2.0]) == float("inf")
