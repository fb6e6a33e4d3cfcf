"""The ranker: learns a planted order, is the same in numpy, resumes, and stops on a loss that is no number."""

from pathlib import Path

import numpy as np
import pytest

from lake.errors import BadInput
from lake.settings import Settings
from models.config import RankerConfig
from models.device import choose
from models.ranking import normalisation, scoring
from models.ranking.examples import Examples
from models.ranking.features import CROSSES, NAMES, Pairs

CONFIG = RankerConfig(
    networks=2, hidden=(16,), cross_buckets=64, max_epochs=8, batch_queries=16, learning_rate=5e-3, item_dim=2
)
QUERIES, CANDIDATES = 240, 20


@pytest.fixture(scope="module")
def examples() -> Examples:
    """What is touched depends on two features together, either of which alone says little."""
    rng = np.random.default_rng(0)
    count = QUERIES * CANDIDATES
    pairs = Pairs(
        rng.normal(size=(count, len(NAMES))).astype(np.float32),
        rng.integers(0, 2**31 - 1, (count, len(CROSSES))).astype(np.int32),
        rng.integers(0, 2**31 - 1, count).astype(np.int32),
    )
    pairs.dense[:, 7] = 3.0
    worth = 2 * pairs.dense[:, 0] + 2 * pairs.dense[:, 1] + rng.normal(size=count) * 0.3
    ptr = np.arange(0, count + 1, CANDIDATES).astype(np.int64)
    gain = np.zeros(count, np.float32)
    for query in range(QUERIES):
        part = slice(ptr[query], ptr[query + 1])
        gain[part][np.argsort(-worth[part])[:3]] = 1.0
    # Queries of unequal length, as they really are.
    keep = np.ones(count, bool)
    keep[ptr[1:-1:2] - 1] = False
    lengths = np.add.reduceat(keep, ptr[:-1])
    trimmed = Pairs(pairs.dense[keep], pairs.wide[keep], pairs.item[keep])
    users = np.array([f"u{n:03d}" for n in range(QUERIES)], dtype=object)
    return Examples(trimmed, gain[keep], np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), users)


def hits(examples: Examples, score: np.ndarray) -> float:
    """Share of positives among each query's first three."""
    found = []
    for begin, end in zip(examples.ptr[:-1], examples.ptr[1:], strict=True):
        gain = examples.gain[begin:end]
        found.append(gain[np.argsort(-score[begin:end])[:3]].sum() / min(3, gain.sum()))
    return float(np.mean(found))


@pytest.mark.parametrize("loss", ["listwise", "pairwise", "cross_entropy"])
def test_the_ranker_beats_each_single_feature_and_numpy_agrees_with_keras(
    loss: str, examples: Examples, tmp_path: Path
) -> None:
    from models.ranking import wide_deep

    config = CONFIG.model_copy(update={"loss": loss, "networks": 1 if loss == "listwise" else 2})
    fitted = wide_deep.fit(examples, config, choose(Settings(accelerator="cpu")), tmp_path, seed=3)
    score = scoring.forward(fitted.arrays, examples.pairs)
    alone = max(hits(examples, examples.pairs.dense[:, feature]) for feature in (0, 1))
    assert hits(examples, score) > alone + 0.1
    assert not fitted.arrays["score"][7].any(), "a constant feature says nothing"
    model = wide_deep.build(config)
    wide_deep.load(model, fitted.arrays, config)
    inputs = (
        normalisation.apply(fitted.arrays, examples.pairs.dense[:50])[None],
        wide_deep.bounded(examples.pairs.wide[:50], config)[None],
        examples.pairs.item[None, :50] % config.cross_buckets,
    )
    np.testing.assert_allclose(score[:50], model(inputs).numpy()[0].mean(axis=-1), atol=1e-4)


def test_features_that_are_no_numbers_are_refused_by_name(examples: Examples, tmp_path: Path) -> None:
    from models.ranking import wide_deep

    dense = examples.pairs.dense.copy()
    dense[5, 3] = np.nan
    pairs = Pairs(dense, examples.pairs.wide, examples.pairs.item)
    broken = Examples(pairs, examples.gain, examples.ptr, examples.user)
    with pytest.raises(BadInput, match=f"features {NAMES[3]} hold NaN"):
        wide_deep.fit(broken, CONFIG, choose(Settings(accelerator="cpu")), tmp_path, seed=3)


def test_a_loss_that_is_no_number_stops_the_training(examples: Examples, tmp_path: Path) -> None:
    from models.ranking import wide_deep

    wild = CONFIG.model_copy(update={"learning_rate": 1e38})
    with pytest.raises(BadInput, match=r"loss became (nan|inf) at batch \d+; lower ranker.learning_rate"):
        wide_deep.fit(examples, wild, choose(Settings(accelerator="cpu")), tmp_path, seed=3)


@pytest.mark.parametrize("loss", ["listwise", "pairwise", "cross_entropy"])
def test_constant_labels_teach_no_order_and_break_nothing(loss: str, examples: Examples, tmp_path: Path) -> None:
    from models.ranking import wide_deep

    few = examples.take(np.arange(40))
    same = Examples(few.pairs, np.ones_like(few.gain), few.ptr, few.user)
    config = CONFIG.model_copy(update={"loss": loss, "max_epochs": 2})
    fitted = wide_deep.fit(same, config, choose(Settings(accelerator="cpu")), tmp_path, seed=3)
    assert all(np.isfinite(values).all() for values in fitted.arrays.values())
    assert np.isfinite(scoring.forward(fitted.arrays, same.pairs)).all()


def test_a_gpu_demanded_and_not_there_fails_clearly() -> None:
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        pytest.skip("this machine has a GPU")
    with pytest.raises(BadInput, match="ACCELERATOR=gpu"):
        choose(Settings(accelerator="gpu"))


def test_examples_survive_a_file(examples: Examples, tmp_path: Path) -> None:
    np.savez(tmp_path / "e.npz", **examples.arrays())
    with np.load(tmp_path / "e.npz", allow_pickle=False) as stored:
        again = Examples.of({name: stored[name] for name in stored.files})
    np.testing.assert_array_equal(again.pairs.dense, examples.pairs.dense)
    assert list(again.user) == list(examples.user)
    some = again.take(np.array([3, 1]))
    assert list(some.user) == ["u003", "u001"]
    np.testing.assert_array_equal(
        some.gain, np.concatenate([again.gain[again.ptr[q] : again.ptr[q + 1]] for q in (3, 1)])
    )
