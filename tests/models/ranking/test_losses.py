"""The losses against sums written out by hand."""

import numpy as np
import pytest

GAIN = np.array([[2.0, 0.0, 1.0, 0.0], [1.0, 0.0, -1.0, -1.0]], np.float32)
LOGIT = np.array([[0.3, -0.2, 1.1, 0.4], [0.5, 0.9, 7.0, -7.0]], np.float32)


def by_hand(name: str, gain: np.ndarray, logit: np.ndarray) -> float:
    gain, logit = gain[gain >= 0], logit[gain >= 0]
    if name == "listwise":
        share = np.exp(logit) / np.exp(logit).sum()
        return float(-(gain / gain.sum() * np.log(share)).sum())
    if name == "pairwise":
        positives = [(g, p) for g, p in zip(gain, logit, strict=True) if g > 0]
        negatives = [n for g, n in zip(gain, logit, strict=True) if g == 0]
        pairs = [(g, np.log1p(np.exp(n - p))) for g, p in positives for n in negatives]
        return float(sum(g * lost for g, lost in pairs) / sum(g for g, _ in pairs))
    chance = 1 / (1 + np.exp(-logit))
    lost = np.where(gain > 0, -np.log(chance), -np.log(1 - chance))
    weight = np.where(gain > 0, gain, 1.0)
    return float((weight * lost).sum() / weight.sum())


@pytest.mark.parametrize("name", ["listwise", "pairwise", "cross_entropy"])
def test_a_query_costs_what_the_formula_says_and_padding_nothing(name: str) -> None:
    from models.ranking.losses import LOSSES

    found = LOSSES[name](GAIN, LOGIT).numpy()
    wanted = [by_hand(name, gain, logit) for gain, logit in zip(GAIN, LOGIT, strict=True)]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


@pytest.mark.parametrize("name", ["listwise", "pairwise", "cross_entropy"])
def test_a_query_without_positives_is_finite(name: str) -> None:
    from models.ranking.losses import LOSSES

    assert np.isfinite(LOSSES[name](np.zeros((1, 3), np.float32), np.ones((1, 3), np.float32)).numpy()).all()
