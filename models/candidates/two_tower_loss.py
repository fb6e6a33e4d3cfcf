"""Losses over a step's candidates, for TFRS's retrieval task. Import only after choosing legacy Keras.

Each takes `[queries, candidates]`: labels with a single one a row, and logits; what is no negative (an accidental hit)
has a logit so low that it adds nothing. All are sums over queries.
"""

from typing import Any

import tensorflow as tf

from models.config import TwoTowerConfig


class Bpr(tf.keras.losses.Loss):
    """Pairwise: the target before each negative (Rendle et al., "Bayesian personalized ranking", UAI 2009).

    A query's loss is the mean over its candidates, so that their number changes nothing.
    """

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        own = tf.reduce_sum(y_true * y_pred, axis=1, keepdims=True)
        return tf.reduce_mean(tf.nn.softplus(y_pred - own) * (1.0 - y_true), axis=1)


class CrossEntropy(tf.keras.losses.Loss):
    """Pointwise: each candidate is a yes or a no (binary cross-entropy).

    With logits lowered by logQ this is noise-contrastive estimation (Mnih, Teh, ICML 2012), whose logits are absolute:
    `bias`, a scalar that is learned, takes the place of the softmax's denominator.
    """

    def __init__(self, bias: tf.Variable, **more: Any) -> None:
        super().__init__(**more)
        self._bias = bias

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=y_true, logits=y_pred + self._bias)
        return tf.reduce_sum(entropy, axis=1)


def make(config: TwoTowerConfig, bias: tf.Variable | None) -> tf.keras.losses.Loss:
    """The loss that is configured; `bias` is needed by the cross-entropy alone."""
    total = tf.keras.losses.Reduction.SUM
    if config.loss == "bpr":
        return Bpr(reduction=total)
    if config.loss == "cross_entropy":
        return CrossEntropy(bias, reduction=total)
    return tf.keras.losses.CategoricalCrossentropy(from_logits=True, reduction=total)
