"""The two-tower's training: finds planted tastes, survives a kill, and means the same in numpy as in TensorFlow."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from lake.clock import shift
from lake.settings import Settings
from models.candidates import two_tower_data
from models.candidates.content import Content
from models.candidates.signals import Touched
from models.candidates.two_tower_process import ROOT
from models.candidates.two_tower_source import TwoTower, item_vectors, query_vectors
from models.config import TrainingConfig, TwoTowerConfig
from models.snapshot import Snapshot
from tests.models import planted

AS_OF = shift(planted.FIRST, 49)
CONFIG = TrainingConfig(
    two_tower=TwoTowerConfig(dim=16, title_buckets=64, hidden=8, batch_size=128, max_epochs=5, patience=5, history=20)
)


@dataclass(frozen=True)
class Trained:
    """What a training that was killed once left behind."""

    snapshot: Snapshot
    folder: Path
    killed: list[str]
    resumed: list[str]
    arrays: dict[str, np.ndarray]


def lines_of(command: list[str], kill_at: str | None = None) -> list[str]:
    """Run a process and give its log's lines about epochs; SIGKILL at the first one with `kill_at`."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    seen, everything = [], []
    for line in process.stdout:
        everything.append(line)
        if "two-tower" in line and "epoch" in line:
            seen.append(line)
        if kill_at and kill_at in line:
            # One more epoch may begin; what counts is that no further one ends.
            os.kill(process.pid, signal.SIGKILL)
            break
    code = process.wait(120)
    assert code == (-signal.SIGKILL if kill_at else 0), "".join(everything[-20:])
    return seen


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    settings = Settings(var=tmp_path_factory.mktemp("planted"), pseudonymise=False)
    planted.build(settings, 52, [AS_OF])
    snapshot, folder = Snapshot.load(settings, AS_OF), tmp_path_factory.mktemp("towers")
    two_tower_data.save(two_tower_data.inputs(snapshot, CONFIG, 7), folder / "past.npz")
    (folder / "config.json").write_text(json.dumps(CONFIG.get_config()))
    command = [sys.executable, "-m", "models.candidates.two_tower", "--workdir", str(folder), "--fits", "past"]
    killed = lines_of(command, kill_at="epoch 3")
    resumed = lines_of(command)
    with np.load(folder / "past" / "arrays.npz") as stored:
        yield Trained(snapshot, folder, killed, resumed, {name: stored[name] for name in stored.files})


def test_a_killed_training_goes_on_where_it_stopped(trained: Trained) -> None:
    assert any("epoch 3" in line for line in trained.killed)
    assert not any("epoch 1:" in line or "epoch 2:" in line for line in trained.resumed)
    assert any("epoch 5" in line for line in trained.resumed)
    assert json.loads((trained.folder / "past" / "done.json").read_text())["recall"] > 0


def test_items_of_a_taste_lie_together_and_a_new_one_joins_them(trained: Trained) -> None:
    snapshot = trained.snapshot
    vectors = TwoTower(trained.arrays, CONFIG).prepare(snapshot).items
    groups = np.array([planted.group(item) for item in snapshot.items])
    alike = vectors @ vectors.T
    np.fill_diagonal(alike, -1.0)
    nearest = np.argsort(-alike, axis=1)[:, :8]
    assert (groups[nearest] == groups[:, None]).mean() > 0.8
    unknown = item_vectors(trained.arrays, np.zeros(len(groups), np.int32), Content.of(snapshot, 64))
    near = np.argsort(-(unknown @ vectors.T), axis=1)[:, :8]
    assert (groups[near] == groups[:, None]).mean() > 0.6, "content alone does not place a new item"


def test_shoppers_are_shown_their_taste(trained: Trained) -> None:
    snapshot = trained.snapshot
    rows = np.arange(len(snapshot.users), dtype=np.int32)
    signal = TwoTower(trained.arrays, CONFIG).prepare(snapshot).signals(rows)["two_tower"]
    best, _ = signal.top(10, Touched.nothing(len(rows)))
    groups = np.array([planted.group(item) for item in snapshot.items])
    wanted = np.array([planted.user_group(user) for user in snapshot.users])
    assert (groups[best] == wanted[:, None]).mean() > 0.8


def test_numpy_and_the_saved_model_agree(trained: Trained) -> None:
    import tensorflow as tf

    tower = tf.saved_model.load(str(trained.folder / "past" / "query_tower"))
    rng = np.random.default_rng(0)
    events = rng.normal(size=(32, 5, 16)).astype(np.float32)
    weight = rng.dirichlet(np.ones(5), 32).astype(np.float32)
    context = rng.integers(0, 20, (32, 3)).astype(np.int32)
    context[:, 2] = 0
    ours = query_vectors(trained.arrays, np.einsum("ijk,ij->ik", events, weight), context)
    np.testing.assert_allclose(ours, tower(events, weight, 10 * weight, context).numpy(), atol=1e-5)


def test_examples_know_only_earlier_days(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path, pseudonymise=False)
    planted.build(settings, 25, [shift(planted.FIRST, 20)])
    data = two_tower_data.inputs(Snapshot.load(settings, shift(planted.FIRST, 20)), CONFIG, 5)
    for begin, end, now, user in zip(data["begin"], data["end"], data["now"], data["user"], strict=True):
        assert end > begin
        assert (data["age"][begin:end] >= now).all()
        assert now >= 6
        assert user >= 0
    asked = data["held_user"]
    assert len(asked) > 10
    for number in range(len(asked)):
        begin, end = data["held_begin"][number], data["held_end"][number]
        assert (data["age"][begin:end] >= 5).all()
        wanted = data["held_targets"][data["held_ptr"][number] : data["held_ptr"][number + 1]]
        assert len(set(wanted.tolist())) == len(wanted) > 0
