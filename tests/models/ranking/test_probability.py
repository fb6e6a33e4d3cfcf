"""Probabilities: what is planted comes out, for shoppers who come often and for those who hardly do."""

import numpy as np

from models.ranking.features import NAMES
from models.ranking.probability import inputs, learn, probabilities

SHOPPERS, CANDIDATES = 400, 25
FREQUENT = NAMES.index("user_active_days")


def planted(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Half of the shoppers take 3 of their candidates, by score; the others a tenth of that. Scores are shifted."""
    rng = np.random.default_rng(seed)
    batch = np.repeat(np.arange(SHOPPERS), CANDIDATES).astype(np.int32)
    dense = np.zeros((len(batch), len(NAMES)), np.float32)
    often = rng.random(SHOPPERS) < 0.5
    dense[:, FREQUENT] = often[batch]
    utility = rng.normal(size=len(batch))
    share = np.exp(utility) / np.bincount(batch, np.exp(utility))[batch]
    chance = np.minimum(share * np.where(often, 3.0, 0.3)[batch], 0.95)
    score = utility + (5.0 * rng.normal(size=SHOPPERS))[batch]
    return batch, score.astype(np.float32), dense, chance


def test_planted_probabilities_are_found_again() -> None:
    batch, score, dense, chance = planted(1)
    touched = np.random.default_rng(2).random(len(chance)) < chance
    seen = (inputs(batch, score, dense), touched)
    arrays = learn([seen, seen])
    batch, score, dense, chance = planted(3)
    found = probabilities(arrays, inputs(batch, score, dense), only_new=False)
    often = dense[:, FREQUENT] > 0
    for group in (often, ~often):
        assert abs(found[group].mean() / chance[group].mean() - 1) < 0.15
    for low, high in ((0.02, 0.1), (0.1, 0.3), (0.3, 0.9)):
        band = (found >= low) & (found < high)
        assert band.sum() > 100
        assert abs(found[band].mean() - chance[band].mean()) < 0.25 * chance[band].mean()


def test_a_shift_of_a_shoppers_scores_changes_nothing() -> None:
    batch, score, dense, _ = planted(4)
    moved = score + 10.0 * (batch % 3)
    np.testing.assert_allclose(inputs(batch, score, dense), inputs(batch, moved, dense), atol=1e-4)
    assert inputs(batch[:0], score[:0], dense[:0]).shape[0] == 0


def test_without_hits_nothing_is_learned_and_nothing_is_told() -> None:
    batch, score, dense, _ = planted(5)
    values = inputs(batch, score, dense)
    assert learn([(values, np.zeros(len(batch), np.bool_))] * 2) == {}
    assert np.isnan(probabilities({}, values, only_new=True)).all()
