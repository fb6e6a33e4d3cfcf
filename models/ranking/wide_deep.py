"""The Wide & Deep ranker in Keras (Cheng et al., DLRS 2016): trained here, used as arrays by `scoring`.

The wide part adds one weight for each hashed cross; the deep part is a small network over the normalised dense features
and, where there is enough to learn it from, a small embedding of the item. There are a few deep networks that differ by
where they started, each with its own loss, and the score is their mean: a shop has few shoppers to learn from, and what
one network happens to make of them is noise (deep ensembles, Lakshminarayanan et al., NIPS 2017). The loss compares the
candidates of one query with each other.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lake.errors import BadInput
from models.config import RankerConfig
from models.device import Device
from models.interface import Floats
from models.ranking import normalisation
from models.ranking.examples import Examples
from models.ranking.features import CROSSES, NAMES

log = logging.getLogger("nightshelf.ranker")

Arrays = dict[str, NDArray[Any]]
ITEM_DIM, ENOUGH_QUERIES = 8, 20_000
"""The item embedding of a log with enough queries; with fewer it learns the window's items by heart."""


@dataclass(frozen=True)
class Fitted:
    """A trained ranker: its arrays, the epochs it took and the held-out loss (None without held-out queries).

    `curve` is the loss of each epoch that this process ran.
    """

    arrays: Arrays
    epochs: int
    loss: float | None
    curve: tuple[float, ...] = ()


def build(config: RankerConfig) -> Any:
    """The model: inputs `dense` (normal scores), `wide`, `item` of `[queries, candidates, ...]`.

    Returns:
        A Keras model whose output are logits `[queries, candidates, networks]`, those of padding included.
    """
    import keras

    dense = keras.Input((None, len(NAMES)), name="dense")
    wide = keras.Input((None, len(CROSSES)), dtype="int32", name="wide")
    item = keras.Input((None,), dtype="int32", name="item")
    cross = keras.layers.Embedding(
        len(CROSSES) * config.cross_buckets,
        1,
        embeddings_initializer="zeros",
        embeddings_regularizer=keras.regularizers.L2(config.table_l2),
        name="wide_table",
        dtype="float32",
    )(wide)
    vector = keras.layers.Embedding(
        config.cross_buckets,
        max(config.item_dim or 0, 1),
        embeddings_regularizer=keras.regularizers.L2(config.table_l2),
        name="item_table",
    )(item)
    seen = keras.layers.Concatenate()([dense, vector * (1.0 if config.item_dim else 0.0)])
    deep = keras.layers.Concatenate()([_network(config, seen, number) for number in range(config.networks)])
    return keras.Model([dense, wide, item], keras.ops.sum(cross[..., 0], axis=-1)[..., None] + deep)


def _network(config: RankerConfig, hidden: Any, number: int) -> Any:
    import keras

    for layer, width in enumerate(config.hidden):
        hidden = keras.layers.Dense(width, activation="relu", name=_deep(number, layer))(hidden)
        # One mask a query: its candidates are compared by the same units, and far fewer numbers are drawn.
        hidden = keras.layers.Dropout(config.dropout, noise_shape=(None, 1, width))(hidden)
    return keras.layers.Dense(1, name=_deep(number, len(config.hidden)), dtype="float32")(hidden)


def _deep(number: int, layer: int) -> str:
    return f"deep_{number}_{layer}"


def fit(
    examples: Examples,
    config: RankerConfig,
    device: Device,
    workdir: Path,
    *,
    seed: int,
    epochs: int | None = None,
    watch: Callable[[int, Arrays], None] | None = None,
) -> Fitted:
    """Train a ranker; a killed training goes on after its last whole epoch.

    Args:
        workdir: folder of this fit's checkpoints.
        epochs: how many to run on all queries; None = hold out users and stop when their loss stops falling.
        watch: told the number of each epoch, from 1, and the ranker as of then; what it raises ends the training.

    Raises:
        BadInput: a feature is no finite number, or the loss became NaN or infinite; names feature or batch.
    """
    import keras

    from models.ranking.losses import LOSSES

    started = time.monotonic()
    _refuse_non_numbers(examples.pairs.dense)
    if config.item_dim is None:
        config = config.model_copy(update={"item_dim": ITEM_DIM if len(examples) >= ENOUGH_QUERIES else 0})
    keras.utils.set_random_seed(seed)
    scale = normalisation.learn(examples.pairs.dense, seed)
    scaled = replace(examples.pairs, dense=normalisation.apply(scale, examples.pairs.dense))
    examples = replace(examples, pairs=scaled)
    held = _held_out(examples, config.held_out, seed) if epochs is None else np.zeros(len(examples), np.bool_)
    keras.config.set_dtype_policy("float32" if device.compute_dtype == "float32" else f"mixed_{device.compute_dtype}")
    loss, several = LOSSES[config.loss], device.replicas > 1
    with device.strategy.scope():
        model, optimizer = build(config), keras.optimizers.Adam(config.learning_rate)
        if several:
            model.optimizer = optimizer
            optimizer.build(model.trainable_variables)
        else:
            # XLA would compile anew for every length of the longest query, which costs more than it gives.
            model.compile(optimizer=optimizer, loss=_mean_loss(loss, config), jit_compile=False)
    callbacks: list[Any] = [_stop_on_nan(), _backup(workdir / "backup", device)]
    if watch:
        callbacks.append(_told(watch, lambda: _export(model, config, scale)))
    if held.any():
        callbacks.append(keras.callbacks.EarlyStopping(patience=config.patience, restore_best_weights=True))
    taught = _dataset(examples.take(np.flatnonzero(~held)), config, seed, device)
    unseen = _dataset(examples.take(np.flatnonzero(held)), config, None, device) if held.any() else None
    most = epochs or config.max_epochs
    if several:
        from models.ranking import together

        history = together.fit(model, _each_loss(loss, config), taught, unseen, most, device, callbacks)
    else:
        history = model.fit(taught, validation_data=unseen, epochs=most, verbose=0, callbacks=callbacks).history
    losses = history.get("val_loss") or []
    best = int(np.argmin(losses)) + 1 if losses else len(history["loss"])
    log.info(
        "ranker: %d queries, %d epochs, best %d, loss %.4f, held-out %s, %.1f s",
        len(examples),
        len(history["loss"]),
        best,
        history["loss"][-1],
        f"{min(losses):.4f}" if losses else "-",
        time.monotonic() - started,
    )
    held_out = float(min(losses)) if losses else None
    return Fitted(_export(model, config, scale), best, held_out, tuple(map(float, history["loss"])))


def _refuse_non_numbers(dense: Floats) -> None:
    broken = [name for name, fine in zip(NAMES, np.asarray(np.isfinite(dense).all(axis=0)), strict=True) if not fine]
    if broken:
        raise BadInput(f"ranker: features {', '.join(broken)} hold NaN or infinity; look at the tables they come from")


def _held_out(examples: Examples, share: float, seed: int) -> NDArray[np.bool_]:
    """Whether a query's user is held out; all queries of a user go the same way."""
    users = np.unique(examples.user.astype(str))
    drawn = np.random.default_rng(seed).random(len(users)) < share
    return drawn[np.searchsorted(users, examples.user.astype(str))]


def _each_loss(loss: Any, config: RankerConfig) -> Any:
    """The loss of each query under each network, `[networks, queries]`."""

    def each(gain: Any, logit: Any) -> Any:
        import keras

        return keras.ops.stack([loss(gain[..., 0], logit[..., n]) for n in range(config.networks)])

    return each


def _mean_loss(loss: Any, config: RankerConfig) -> Any:
    each = _each_loss(loss, config)

    def mean(gain: Any, logit: Any) -> Any:
        import keras

        return keras.ops.mean(each(gain, logit))

    mean.__name__ = config.loss
    return mean


def _dataset(examples: Examples, config: RankerConfig, seed: int | None, device: Device) -> Any:
    """Batches of padded queries; a whole batch is gathered at once. Shuffled where a seed is given.

    On several replicas each has its part of every batch, filled up with queries that ask for nothing.
    """
    import tensorflow as tf

    dense, gain = tf.constant(examples.pairs.dense), tf.constant(examples.gain)
    wide, item = tf.constant(bounded(examples.pairs.wide, config)), tf.constant(examples.pairs.item)
    item = item % config.cross_buckets
    ptr = tf.constant(examples.ptr)

    def gather(queries: Any) -> Any:
        begin, end = tf.gather(ptr, queries), tf.gather(ptr, queries + 1)
        at = begin[:, None] + tf.range(tf.reduce_max(end - begin))[None, :]
        valid = at < end[:, None]
        at = tf.where(valid, at, begin[:, None])
        inputs = (tf.gather(dense, at), tf.gather(wide, at), tf.gather(item, at))
        # As many axes as the logits have: Keras would drop the last one of a single network.
        return inputs, tf.where(valid, tf.gather(gain, at), -1.0)[..., None]

    order = tf.data.Dataset.range(len(examples))
    if seed is not None:
        order = order.shuffle(max(len(examples), 1), seed=seed, reshuffle_each_iteration=True)
    batches = order.batch(config.batch_queries)
    if device.replicas == 1:
        return batches.map(gather, num_parallel_calls=2).prefetch(2)
    from models.distribution import in_parts

    def gather_part(queries: Any) -> Any:
        inputs, gains = gather(tf.maximum(queries, 0))
        return inputs, tf.where((queries >= 0)[:, None, None], gains, -1.0)

    return in_parts(batches, gather_part, device.strategy)


def bounded(wide: NDArray[np.int32], config: RankerConfig) -> NDArray[np.int32]:
    """Each cross in its own stretch of the one wide table."""
    return (wide % config.cross_buckets + np.arange(len(CROSSES)) * config.cross_buckets).astype(np.int32)


def _export(model: Any, config: RankerConfig, scale: Arrays) -> Arrays:
    """What `scoring.forward` needs."""
    wide = model.get_layer("wide_table").get_weights()[0].reshape(len(CROSSES), config.cross_buckets)
    item = model.get_layer("item_table").get_weights()[0] * (1.0 if config.item_dim else 0.0)
    arrays: Arrays = {**scale, "wide_table": wide, "item_table": item}
    for layer in range(len(config.hidden) + 1):
        weights = [model.get_layer(_deep(number, layer)).get_weights() for number in range(config.networks)]
        arrays[f"kernel_{layer}"] = np.stack([kernel for kernel, _ in weights])
        arrays[f"bias_{layer}"] = np.stack([bias for _, bias in weights])
    return arrays


def load(model: Any, arrays: Arrays, config: RankerConfig) -> None:
    """Put exported arrays back into a network that `build` made."""
    model.get_layer("wide_table").set_weights([arrays["wide_table"].reshape(-1, 1)])
    model.get_layer("item_table").set_weights([arrays["item_table"]])
    for layer in range(len(config.hidden) + 1):
        for number in range(config.networks):
            weights = [arrays[f"kernel_{layer}"][number], arrays[f"bias_{layer}"][number]]
            model.get_layer(_deep(number, layer)).set_weights(weights)


def _told(watch: Callable[[int, Arrays], None], arrays: Callable[[], Arrays]) -> Any:
    import keras

    def tell(epoch: int, logs: dict[str, Any] | None = None) -> None:
        watch(epoch + 1, arrays())

    return keras.callbacks.LambdaCallback(on_epoch_end=tell)


def _backup(folder: Path, device: Device) -> Any:
    """Keeps a training's state after each epoch and takes it up again; the chief writes, every worker reads."""
    import keras

    class Backup(keras.callbacks.BackupAndRestore):
        def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            if device.chief:
                super().on_epoch_end(epoch, logs)

        def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
            if device.chief:
                super().on_train_end(logs)

    return Backup(str(folder))


def _stop_on_nan() -> Any:
    import keras

    class StopOnNaN(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
            loss = float((logs or {}).get("loss", 0.0))
            if not np.isfinite(loss):
                raise BadInput(f"ranker: the loss became {loss} at batch {batch}; lower ranker.learning_rate")

    return StopOnNaN()
