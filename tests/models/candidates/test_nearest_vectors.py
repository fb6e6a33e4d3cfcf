"""One index or another, the same items: on a device by TensorFlow, approximately, or none at all."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from lake.errors import BadInput
from lake.settings import Settings
from models import device
from models.candidates import on_gpu, selection
from models.candidates.approximate import Approximate
from models.candidates.nearest_vectors import index_of
from models.candidates.on_gpu import OnGpu
from models.candidates.signals import Factors, Touched
from models.interface import Floats

CPU = "/cpu:0"
ITEMS, QUERIES, DIM = 3_000, 70, 16


def vectors(size: int, seed: int) -> Floats:
    return np.random.default_rng(seed).normal(size=(size, DIM)).astype(np.float32)


def test_the_device_finds_what_an_exact_search_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    items, queries = vectors(ITEMS, 1), vectors(QUERIES, 2)
    monkeypatch.setattr(on_gpu, "SCORES_MB", 0.1)  # eight queries a block, so there are several
    for index in (OnGpu(items, CPU), pickle.loads(pickle.dumps(OnGpu(items, CPU)))):
        found, value = index.search(queries, 100)
        exact, products = selection.search(queries, items, 100)
        assert (found == exact).all()
        np.testing.assert_allclose(value, products, rtol=1e-5)


def test_equal_products_go_by_item_and_more_than_there_are_gives_all() -> None:
    items = np.ones((5, DIM), np.float32)
    found, value = OnGpu(items, CPU).search(items[:2], 9)
    assert found.tolist() == [[0, 1, 2, 3, 4]] * 2
    assert (value == DIM).all()


def test_what_was_touched_is_left_out_on_a_device_too() -> None:
    items, queries = vectors(ITEMS, 1), vectors(QUERIES, 2)
    known = np.ones(QUERIES, np.bool_)
    best, _ = Factors(queries, items, known).top(20, Touched.nothing(QUERIES))
    touched = Touched(np.arange(0, 5 * QUERIES + 1, 5), best[:, :5].ravel())
    found, _ = Factors(queries, items, known, index=OnGpu(items, CPU)).top(10, touched)
    assert (found == Factors(queries, items, known).top(10, touched)[0]).all()
    few = Factors(queries[:1], items[:4], known[:1], index=OnGpu(items[:4], CPU))
    assert few.top(10, Touched.nothing(1))[0].shape == (1, 4)


def test_the_index_goes_by_device_and_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.candidates.nearest_vectors.OnGpu", lambda items: OnGpu(items, CPU))
    monkeypatch.setattr(Approximate, "of", lambda items, queries, count: ("nearly", len(queries)))
    items = vectors(ITEMS, 1)
    assert isinstance(index_of(items, lambda: items[:3], above=1, gpu=True), OnGpu)
    assert index_of(items, lambda: items[:3], above=ITEMS - 1, gpu=False) == ("nearly", 3)
    assert index_of(items, lambda: items[:3], above=ITEMS, gpu=False) is None
    assert index_of(items[:0], lambda: items[:0], above=ITEMS, gpu=True) is None


def test_scoring_asks_tensorflow_only_where_a_driver_is(
    tmp_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def choose(settings: Settings) -> device.Device:
        asked.append(settings.accelerator)
        return device.Device("gpu", 1, None, "bfloat16")

    monkeypatch.setattr(device, "choose", choose)
    for accelerator, driver, wanted in (("auto", "none", False), ("cpu", "", False), ("auto", "", True)):
        monkeypatch.setattr(device, "DRIVER", tmp_settings.var.parent / driver if driver else Path("/"))
        assert device.for_scoring(tmp_settings.model_copy(update={"accelerator": accelerator})) is wanted
    assert asked == ["auto"]


def test_a_gpu_that_is_demanded_and_not_there_is_an_error(tmp_settings: Settings) -> None:
    with pytest.raises(BadInput, match="sees no GPU"):
        device.for_scoring(tmp_settings.model_copy(update={"accelerator": "gpu"}))
