"""Losses over the candidates of a query. Targets and logits: `[queries, candidates]`; a target below 0 is padding."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

FAR = -1e9
"""Logit of padding: no probability, and no gradient."""


def listwise(gain: Any, logit: Any) -> Any:
    """Softmax over the query's candidates against its share of gain (ListNet, Cao et al., ICML 2007)."""
    valid = gain >= 0.0
    target = tf.where(valid, gain, 0.0)
    target = tf.math.divide_no_nan(target, tf.reduce_sum(target, axis=1, keepdims=True))
    log_share = tf.nn.log_softmax(tf.where(valid, logit, FAR), axis=1)
    return -tf.reduce_sum(tf.where(valid, target * log_share, 0.0), axis=1)


def pairwise(gain: Any, logit: Any) -> Any:
    """Logistic loss of every pair of a positive and a negative (RankNet, Burges et al., ICML 2005), by gain."""
    worth = tf.maximum(gain, 0.0)[:, :, None] * tf.cast(tf.equal(gain, 0.0), logit.dtype)[:, None, :]
    lost = tf.nn.softplus(logit[:, None, :] - logit[:, :, None])
    return tf.math.divide_no_nan(tf.reduce_sum(worth * lost, axis=[1, 2]), tf.reduce_sum(worth, axis=[1, 2]))


def cross_entropy(gain: Any, logit: Any) -> Any:
    """Binary cross-entropy of each candidate, positives weighted by gain."""
    valid = tf.cast(gain >= 0.0, logit.dtype)
    positive = tf.cast(gain > 0.0, logit.dtype)
    weight = valid * tf.where(gain > 0.0, gain, 1.0)
    lost = tf.nn.sigmoid_cross_entropy_with_logits(labels=positive, logits=logit)
    return tf.math.divide_no_nan(tf.reduce_sum(weight * lost, axis=1), tf.reduce_sum(weight, axis=1))


LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "listwise": listwise,
    "pairwise": pairwise,
    "cross_entropy": cross_entropy,
}
"""The losses by the name that `RankerConfig.loss` uses."""
