"""The two-tower's training from the inside. `test_two_tower_training.py` runs this in a process with the legacy Keras.

The shop is planted: shoppers of group g touch items of group g only, and nothing but the ids tells the groups apart.
"""

import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from lake.errors import BadInput
from lake.settings import Settings
from models.candidates import two_tower, two_tower_data, two_tower_loss, two_tower_model
from models.candidates.content import TITLE_TOKENS
from models.candidates.two_tower_fit import StopAtNan, _history, held_out_batch
from models.candidates.two_tower_history import histories
from models.candidates.two_tower_model import TwoTowerModel
from models.candidates.two_tower_sampling import Frequencies
from models.config import TrainingConfig, TwoTowerConfig
from models.device import Device

# Before TensorFlow starts: two devices to share a training.
CPU = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(CPU, [tf.config.LogicalDeviceConfiguration()] * 2)
tf.config.threading.set_inter_op_parallelism_threads(2)

GROUPS, VISITS = 4, 12
MASKED = float(np.finfo(np.float32).min) / 100
LOSSES = ("softmax", "bpr", "cross_entropy")


def shop(users: int = 60, items: int = 32, seed: int = 0) -> dict[str, np.ndarray]:
    """Arrays as of `two_tower_data.inputs`: a visit a day with one event each, the last one held out; no content."""
    rng = np.random.default_rng(seed)
    group = np.arange(users) % GROUPS
    item = (rng.integers(max(items // GROUPS, 1), size=(users, VISITS)) * GROUPS + group[:, None]) % items
    age = np.broadcast_to(np.arange(VISITS, 0, -1) - 0.5, (users, VISITS))
    user, visit = (part.ravel() for part in np.mgrid[:users, 1 : VISITS - 1])
    begin = user.astype(np.int64) * VISITS
    held = np.arange(users, dtype=np.int64)
    return {
        "item": item.ravel().astype(np.int32),
        "age": age.ravel().astype(np.float32),
        "said": np.ones(users * VISITS, np.float32),
        "begin": begin,
        "end": begin + visit,
        "now": (VISITS - visit).astype(np.float32),
        "target": item[:, 1:-1].ravel().astype(np.int32),
        "user": user.astype(np.int32),
        "context": np.zeros((users, 3), np.int32),
        "item_ids": np.array([f"i{number:03d}" for number in range(items)]),
        "held_user": held.astype(np.int32),
        "held_begin": held * VISITS,
        "held_end": held * VISITS + VISITS - 1,
        "held_now": np.ones(users, np.float32),
        "held_targets": item[:, -1].astype(np.int32),
        "held_ptr": np.arange(users + 1, dtype=np.int64),
        **{name: np.zeros(items, np.int32) for name in ("category", "brand", "band")},
        "tokens": np.zeros((items, TITLE_TOKENS), np.int32),
    }


def sized(**more: Any) -> TwoTowerConfig:
    plain = {"dim": 8, "title_buckets": 8, "hidden": 4, "batch_size": 64, "history": 8, "max_epochs": 2}
    return TwoTowerConfig.model_validate(plain | {"learning_rate": 0.02} | more)


def fit(folder: Path, data: dict[str, np.ndarray], epochs: int | None = None, **more: Any) -> dict[str, Any]:
    two_tower_data.save(data, folder / "fit.npz")
    device = Device("cpu", 1, tf.distribute.get_strategy(), "float32")
    return two_tower.fit("fit", folder, TrainingConfig(two_tower=sized(**more)), device, epochs)


def loss_of(data: dict[str, np.ndarray], **more: Any) -> float:
    """Loss of the first 32 examples under weights that are the same for every configuration."""
    tf.keras.utils.set_random_seed(1)
    model = TwoTowerModel(data, sized(**more), "float32")
    rows = np.arange(32)
    query = _history(
        {name: tf.constant(data[name]) for name in ("item", "age", "said")},
        *(tf.constant(data[name][rows]) for name in ("begin", "end", "now")),
        sized(**more),
    )
    context = tf.constant(data["context"][data["user"][rows]])
    return float(model.compute_loss({**query, "target": tf.constant(data["target"][rows]), "context": context}))


EVERYTHING = {"encoder": "attention", "log_q": "streaming", "uniform_negatives": 16, "hard_negatives": 60}


# Yes or no for each candidate alone: at the softmax's temperature the many easy negatives drown the one that matters.
ENTROPY = {"loss": "cross_entropy", "temperature": 0.3}


@pytest.mark.parametrize("more", [{"loss": "bpr"}, ENTROPY, EVERYTHING], ids=str)
def test_each_choice_finds_the_planted_groups(more: dict[str, Any], tmp_path: Path) -> None:
    data = shop(users=200, items=400)
    epochs = 16 if more is ENTROPY else 8
    fitted = fit(tmp_path, data, **more, max_epochs=epochs, patience=epochs)
    # 100 of 400 items are proposed: chance finds a quarter, knowing one's group everything.
    assert fitted["recall"] > 0.6


def test_streaming_frequencies_start_from_the_counts_and_follow_a_drift() -> None:
    rng, items = np.random.default_rng(0), 50
    share = 1.0 / np.arange(1, items + 1)
    share /= share.sum()
    before = rng.choice(items, 20_000, p=share).astype(np.int32)
    streaming = Frequencies(before, items, sized(log_q="streaming"))
    counts = Frequencies(before, items, sized())
    every, step = tf.range(items), tf.zeros(64, tf.int32)
    start = streaming.expected(every, step).numpy()
    np.testing.assert_allclose(start, counts.expected(every, step).numpy(), rtol=1e-4)
    seen = []
    for _ in range(400):
        # From now on, the rarest items are the most popular ones; those that every step holds many times, too.
        streaming.observe(tf.constant(rng.choice(items, 64, p=share[::-1]), tf.int32))
        seen.append(streaming.expected(every, step).numpy())
    late = np.mean(seen[200:], axis=0)
    np.testing.assert_allclose(late, share[::-1] * 64, rtol=0.4)
    assert late[-1] > 10, "an item that a step holds many times counts as one"


def test_the_correction_is_that_of_the_mixture_and_stays_clear_of_the_clipping() -> None:
    data = shop(items=32) | {"target": np.zeros(2_000_000, np.int32)}
    model = TwoTowerModel(data, sized(uniform_negatives=16), "float32")
    targets = tf.zeros(64, tf.int32)
    found = model.sampling_probability(tf.constant([0, 5]), targets).numpy()
    share = (np.array([2_000_000, 0]) + 1) / (2_000_000 + 32)
    expected = share * 64 + 16 / 32
    np.testing.assert_allclose(found, expected / expected[0], rtol=1e-5)
    rare = TwoTowerModel(data, sized(), "float32").sampling_probability(tf.constant([5, 6]), targets).numpy()
    np.testing.assert_allclose(rare, 1.0)


@pytest.mark.parametrize("more", [{}, {"hard_negatives": 4}, EVERYTHING], ids=str)
def test_a_shop_of_one_item_has_no_negatives(more: dict[str, Any]) -> None:
    data = shop(items=1)
    assert loss_of(data, **more) == pytest.approx(0.0, abs=1e-4)
    assert loss_of(data, **more, loss="bpr") == pytest.approx(0.0, abs=1e-4)
    assert loss_of(data, **more | {"uniform_negatives": 50}) == pytest.approx(0.0, abs=1e-4), "an accidental hit counts"


def test_uniform_negatives_add_to_the_loss_and_hard_ones_leave_the_strongest() -> None:
    data = shop()
    plain = loss_of(data, log_q="off")
    assert loss_of(data, log_q="off", uniform_negatives=64) > plain + 1
    assert 0 < loss_of(data, log_q="off", hard_negatives=2) < plain - 1
    assert loss_of(data, log_q="off", hard_negatives=500) == pytest.approx(plain, rel=1e-5)


def test_losses_are_those_of_their_papers() -> None:
    scores = np.array([[1.0, -0.5, MASKED], [0.3, 2.0, 0.1]], np.float32)
    labels = np.array([[1, 0, 0], [0, 1, 0]], np.float32)

    def value(name: str) -> float:
        bias = tf.Variable(0.7) if name == "cross_entropy" else None
        return float(two_tower_loss.make(sized(loss=name), bias)(labels, scores))

    def sigmoid(x: float) -> float:
        return 1 / (1 + np.exp(-x))

    pairs = -np.log([sigmoid(1.0 + 0.5), sigmoid(2.0 - 0.3), sigmoid(2.0 - 0.1)])
    assert value("bpr") == pytest.approx(pairs.sum() / 3, rel=1e-5)
    yes, no = [1.0, 2.0], [-0.5, 0.3, 0.1]
    each = [-np.log(sigmoid(s + 0.7)) for s in yes] + [-np.log(1 - sigmoid(s + 0.7)) for s in no]
    assert value("cross_entropy") == pytest.approx(sum(each), rel=1e-5)
    rows = [np.log(1 + np.exp(-1.5)), np.log(1 + np.exp(0.3 - 2) + np.exp(0.1 - 2))]
    assert value("softmax") == pytest.approx(sum(rows), rel=1e-5)


@pytest.mark.parametrize("encoder", ["mean", "attention"])
def test_a_history_reads_the_same_in_numpy(encoder: str) -> None:
    data, config = shop(), sized(encoder=encoder, half_life_days=5.0)
    data["age"] *= np.random.default_rng(0).uniform(0.5, 40, len(data["age"])).astype(np.float32)
    data["said"] = np.tile([4.0, 0.0, 1.0], len(data["said"]))[: len(data["said"])].astype(np.float32)
    data["said"][:VISITS] = 0.0
    model = TwoTowerModel(data, config, "float32")
    if encoder == "attention":
        rng = np.random.default_rng(3)
        for weights in (model.attention_age, model.attention_query):
            weights.assign(rng.normal(size=weights.shape))
    users = len(data["held_user"])
    ptr = np.arange(users + 1) * VISITS
    events = SimpleNamespace(
        item=data["item"], age_days=data["age"], kind=np.zeros(len(data["item"]), int), value=data["said"]
    )
    snapshot = SimpleNamespace(events=events, user_ptr=ptr, items=data["item_ids"], positive_from=None)
    vectors = model.item_tower(tf.range(32), False)
    at = tf.constant(ptr)
    log = {"item": tf.constant(data["item"]), "age": tf.constant(data["age"]), "said": tf.constant(data["said"])}
    query = _history(log, at[:-1], at[1:], tf.zeros(users), config)
    theirs = model.read(vectors, query["past"], query["weight"], query["age"]).numpy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.candidates.two_tower_history.event_weights", lambda *_: data["said"])
        ours = histories(snapshot, TrainingConfig(two_tower=config), model.export_arrays(data), vectors.numpy())
    np.testing.assert_allclose(ours @ vectors.numpy(), theirs, atol=1e-5)
    assert np.abs(theirs[1:]).sum(axis=1).min() > 0.01
    assert not theirs[0].any(), "a history that says nothing is no history"


def test_a_loss_that_is_no_number_is_stopped_with_its_batch(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"epoch 1, batch 2; lower two_tower.learning_rate"):
        fit(tmp_path, shop(), learning_rate=1e38)
    assert not (tmp_path / "fit" / "done.json").exists()


@pytest.mark.parametrize("loss", LOSSES)
def test_one_item_500_times_and_items_without_anything(loss: str, tmp_path: Path) -> None:
    data = shop(users=2, items=3)
    more = {name: np.repeat(data[name][:1], 500) for name in ("item", "age", "said")}
    data |= {name: np.concatenate([values, data[name]]) for name, values in more.items()}
    data |= {name: data[name] + 500 * (data["user"] > 0) for name in ("begin", "end")}
    data["end"] = np.where(data["user"] == 0, data["end"] + 500, data["end"])
    data["held_end"] += 500
    data["held_begin"][1:] += 500
    fitted = fit(tmp_path, data, loss=loss, uniform_negatives=5)
    assert fitted["recall"] == 1.0
    with np.load(tmp_path / "fit" / "arrays.npz") as arrays:
        assert all(np.isfinite(arrays[name]).all() for name in arrays.files if name != "item_ids")


def curve(folder: Path, strategy: Any, monkeypatch: pytest.MonkeyPatch, **more: Any) -> tuple[list[float], Any]:
    """The loss of every step, without dropout, and the held-out recall."""
    monkeypatch.setattr(two_tower_model, "ID_DROPOUT", 0.0)
    steps: list[float] = []
    keep = tf.keras.callbacks.LambdaCallback(on_train_batch_end=lambda _, logs: steps.append(float(logs["loss"])))
    two_tower_data.save(shop(users=100, items=100), folder / "fit.npz")
    device = Device("cpu", 1, strategy, "float32")
    config = TrainingConfig(two_tower=sized(**more))
    fitted = two_tower.fit("fit", folder, config, device, None, callbacks=[keep])
    return steps, fitted["recall"]


def test_two_devices_learn_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "alone").mkdir()
    (tmp_path / "shared").mkdir()
    # Whatever a step's candidates are used for, but for items that are drawn; `make verify` has the plain model.
    more = EVERYTHING | {"uniform_negatives": 0, "max_epochs": 1}
    alone, recall = curve(tmp_path / "alone", tf.distribute.get_strategy(), monkeypatch, **more)
    mirrored = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])
    shared, their_recall = curve(tmp_path / "shared", mirrored, monkeypatch, **more)
    assert len(shared) > 10
    assert shared == pytest.approx(alone, rel=2e-3)
    assert their_recall == pytest.approx(recall, abs=0.03)


def test_without_an_example_the_starting_weights_stay(tmp_path: Path) -> None:
    data = shop()
    data |= {name: data[name][:0] for name in ("begin", "end", "now", "target", "user")}
    assert (fit(tmp_path, data)["epochs"], fit(tmp_path, data)["recall"]) == (0, None)
    assert (tmp_path / "fit" / "arrays.npz").is_file()


def test_a_later_fit_goes_on_from_the_one_before_even_when_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    older, now = shop(users=200, items=400), shop(users=200, items=400, seed=1)
    # The ids move up by one: the catalogue has a new first item, and has lost its last.
    now["item_ids"] = np.array(["a new one", *older["item_ids"][:-1]])
    for name in ("item", "target", "held_targets"):
        now[name] = (now[name] + 1) % 400
    for name, data in (("older", older), ("now", now)):
        two_tower_data.save(data, tmp_path / f"{name}.npz")
    config = TrainingConfig(two_tower=sized(max_epochs=4, warm_epochs=2))
    (tmp_path / "config.json").write_text(json.dumps(config.get_config()))
    settings = Settings(var=tmp_path, accelerator="cpu")
    caplog.set_level(logging.INFO)

    begun = StopAtNan.on_epoch_begin

    def killed(self: StopAtNan, epoch: int, logs: Any = None) -> None:
        if epoch == 1 and "two-tower now epoch 1" in caplog.text:
            raise KeyboardInterrupt
        begun(self, epoch, logs)

    monkeypatch.setattr(StopAtNan, "on_epoch_begin", killed)
    with pytest.raises(KeyboardInterrupt):
        two_tower.train(settings, tmp_path, ["older", "now"])
    monkeypatch.setattr(StopAtNan, "on_epoch_begin", begun)
    caplog.clear()
    results = two_tower.train(settings, tmp_path, ["older", "now"])
    assert results["now"]["epochs"] == 2
    assert "older epoch" not in caplog.text
    assert "now epoch 1" not in caplog.text
    assert "now epoch 2" in caplog.text

    with np.load(tmp_path / "older" / "arrays.npz") as stored:
        arrays = dict(stored)
    model = TwoTowerModel(now, config.two_tower, "float32")
    fresh = model.id_table.numpy()
    model.start_from(arrays, now)
    started = model.id_table.numpy()
    np.testing.assert_array_equal(started[2:], arrays["id_table"][1:-1])
    np.testing.assert_array_equal(started[0], arrays["id_table"][0])
    np.testing.assert_array_equal(started[1], fresh[1])
    asked = held_out_batch(now, config.two_tower)
    found = (model.recommend(asked, 100).numpy() == now["held_targets"][:, None]).any(axis=1).mean()
    assert found > 0.6, "what the older fit learned is lost on the way"
