"""Data parallelism: a step's examples in equal parts, one a replica, and what replicas tell each other.

A step stays what it is on one device: the same examples in the same order, the same candidates, the same loss. Only
sums are taken in another order. Works under legacy Keras and Keras 3: it imports neither.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def in_parts(batches: tf.data.Dataset, gather: Callable[[tf.Tensor], Any], strategy: tf.distribute.Strategy) -> Any:
    """Each replica's share of every batch, contiguous and of equal length.

    Args:
        batches: row numbers, int64 `[n]` a batch, in the same order on every worker.
        gather: from row numbers `[n / replicas]` to what a replica is fed; -1 fills up a batch that does not divide.

    Returns:
        A distributed dataset, for `fit`.
    """
    replicas = strategy.num_replicas_in_sync

    def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        local = replicas // context.num_input_pipelines
        first = context.input_pipeline_id * local

        def split(rows: tf.Tensor) -> tf.Tensor:
            missing = -tf.shape(rows)[0] % replicas
            whole = tf.pad(rows, [[0, missing]], constant_values=-1)
            return tf.reshape(whole, [replicas, -1])[first : first + local]

        return batches.map(split).unbatch().map(gather, num_parallel_calls=2).prefetch(2 * local)

    return strategy.distribute_datasets_from_function(of_worker)


def of_all_replicas(values: tf.Tensor) -> tf.Tensor:
    """The rows of all replicas, this one's first; call in a replica's context.

    Every replica has equally many rows. A sum over replicas of rows in places of their own, because its gradient is
    right: what all replicas' losses say of a row comes back to the replica that made it. (`all_gather` returns the
    gradient of one loss alone.)

    Args:
        values: `[n, ...]`.

    Returns:
        `[n * replicas, ...]`.
    """
    context = tf.distribute.get_replica_context()
    count, replicas = tf.shape(values)[0], context.num_replicas_in_sync
    before = context.replica_id_in_sync_group * count
    around = [[before, (replicas - 1) * count - before], *[[0, 0]] * (len(values.shape) - 1)]
    every = context.all_reduce(tf.distribute.ReduceOp.SUM, tf.pad(values, around))
    return tf.roll(every, -before, axis=0)


def over_replicas(value: tf.Tensor) -> tf.Tensor:
    """The sum of a value over all replicas; call in a replica's context (Keras looks for shapes outside of one)."""
    context = tf.distribute.get_replica_context()
    return value if context is None else context.all_reduce(tf.distribute.ReduceOp.SUM, value)


def as_the_chief(value: float, strategy: tf.distribute.Strategy) -> float:
    """The first replica's value, on every worker, so that all of them decide alike."""

    @tf.function
    def told() -> Any:
        def mine() -> tf.Tensor:
            first = tf.equal(tf.distribute.get_replica_context().replica_id_in_sync_group, 0)
            return tf.where(first, tf.constant(value, tf.float64), tf.constant(0.0, tf.float64))

        return strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(mine), axis=None)

    return float(told())
