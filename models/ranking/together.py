"""The ranker's training on several replicas: what Keras' `fit` does, with a step shared out.

Keras 3 averages parts of a batch to learn their shapes, which cannot be where each is as wide as its longest query, and
reports losses that workers do not agree on. So the loop over steps is written out; callbacks are Keras' own.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from models.device import Device
from models.distribution import over_replicas


def fit(
    model: Any,
    loss: Callable[[Any, Any], Any],
    train: Any,
    held: Any | None,
    epochs: int,
    device: Device,
    callbacks: Sequence[Any],
) -> dict[str, list[float]]:
    """Run epochs until they are over or a callback stops them.

    Args:
        model: built in the strategy's scope, with its optimiser.
        loss: from gains and logits of some queries to the loss of each, `[networks, queries]`.
        train, held: distributed datasets; see `models.distribution.in_parts`.

    Returns:
        What Keras' history holds: `loss` and, with held-out queries, `val_loss` of each epoch, over all replicas.
    """
    strategy, history = device.strategy, keras.callbacks.History()

    def share(inputs: Any, gain: Any, training: bool) -> tuple[Any, Any]:
        """This replica's summand of a step's mean loss, and how many queries the whole step has."""
        each = loss(gain, model(inputs, training=training))
        # Parts are filled up with queries that ask for nothing.
        asked = tf.reduce_sum(tf.cast(tf.reduce_any(gain[..., 0] >= 0.0, axis=1), each.dtype))
        asked = over_replicas(asked)
        pull = tf.add_n([tf.cast(part, each.dtype) for part in model.losses]) / device.replicas
        return tf.reduce_sum(each) / (asked * tf.cast(tf.shape(each)[0], each.dtype)) + pull, asked

    def learn(inputs: Any, gain: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            mine, asked = share(inputs, gain, True)
        gradients = tape.gradient(mine, model.trainable_variables)
        model.optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return mine, asked

    def look(inputs: Any, gain: Any) -> tuple[Any, Any]:
        return share(inputs, gain, False)

    def step(one: Callable[[Any, Any], tuple[Any, Any]], data: Any) -> Callable[[Any], Any]:
        def run(batch: Any) -> Any:
            mine, asked = strategy.run(one, args=batch)
            total = strategy.reduce(tf.distribute.ReduceOp.SUM, mine, axis=None)
            return total, strategy.reduce(tf.distribute.ReduceOp.MEAN, asked, axis=None)

        return tf.function(run, input_signature=[data.element_spec])

    learned, looked = step(learn, train), step(look, held) if held is not None else None
    told = keras.callbacks.CallbackList([*callbacks, history], model=model)
    model.stop_training = False
    told.on_train_begin()
    for epoch in range(model._initial_epoch or 0, epochs):
        told.on_epoch_begin(epoch)
        logs = {"loss": _mean(learned, train, lambda number, value: told.on_train_batch_end(number, {"loss": value}))}
        if looked is not None:
            logs["val_loss"] = _mean(looked, held, lambda number, value: None)
        # Keras' loop asks for an order more after each epoch; so does this one, or later epochs would differ from it.
        iter(train)
        told.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    told.on_train_end()
    return dict(history.history)


def _mean(step: Callable[[Any], Any], data: Any, tell: Callable[[int, float], None]) -> float:
    """A pass over the data: the mean of the steps' losses, by their queries."""
    total = count = 0.0
    for number, batch in enumerate(data):
        loss, asked = (float(each) for each in step(batch))
        tell(number, loss)
        total, count = total + loss * asked, count + asked
    return total / max(count, 1.0)
