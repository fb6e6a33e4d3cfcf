"""The two towers in TensorFlow, and their loss by TensorFlow Recommenders. Import only after choosing legacy Keras."""

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs
from numpy.typing import NDArray

from models.candidates import two_tower_loss
from models.candidates.content import CATEGORY_BUCKETS, PRICE_BANDS
from models.candidates.two_tower_data import CONTEXT_BUCKETS
from models.candidates.two_tower_history import AGE_EDGES, ATTENTION_DIM, NOTHING
from models.candidates.two_tower_sampling import Frequencies
from models.config import TwoTowerConfig
from models.distribution import of_all_replicas

CONTEXT_DIM = 8
ID_DROPOUT = 0.1
"""Share of items that a step sees without their id, so that content alone learns to place a new item."""

Arrays = Mapping[str, NDArray[Any]]


class TwoTowerModel(tfrs.models.Model):
    """Query and item tower, told apart a shopper's next item from the other candidates of a step.

    Items share one table between history and candidates, which matters more than anything else here. Candidates are the
    targets of a step and items drawn evenly; one equal to the row's own target is no negative. Replicas exchange their
    candidates, so that a query meets those of the whole step wherever it is.
    """

    def __init__(self, data: Arrays, config: TwoTowerConfig, compute_dtype: str) -> None:
        super().__init__()
        dim, items = config.dim, len(data["item_ids"])
        self.temperature, self.id_dropout = config.temperature, ID_DROPOUT
        self.replicas = tf.distribute.get_strategy().num_replicas_in_sync

        def table(name: str, rows: int, width: int, start: Any = None) -> tf.Variable:
            small = start or tf.keras.initializers.RandomNormal(
                stddev=1.0 / np.sqrt(dim), seed=zlib.crc32(name.encode())
            )
            return self.add_weight(name=name, shape=(rows, width), initializer=small, trainable=True)

        self.id_table = table("id_table", items + 1, dim)
        self.category_table = table("category_table", CATEGORY_BUCKETS, dim)
        self.brand_table = table("brand_table", CATEGORY_BUCKETS, dim)
        self.band_table = table("band_table", PRICE_BANDS, dim, "zeros")
        self.token_table = table("token_table", config.title_buckets, dim)
        self.country_table = table("country_table", CONTEXT_BUCKETS, CONTEXT_DIM, "zeros")
        self.device_table = table("device_table", CONTEXT_BUCKETS, CONTEXT_DIM, "zeros")
        self.user_table = table("user_table", max(config.user_buckets, 1), CONTEXT_DIM, "zeros")
        self.hidden = tf.keras.layers.Dense(max(config.hidden, 1), activation="relu", dtype=_policy(compute_dtype))
        self.out = tf.keras.layers.Dense(dim, kernel_initializer="zeros", dtype=_policy(compute_dtype))
        self.hidden.build((None, dim + CONTEXT_DIM))
        self.out.build((None, max(config.hidden, 1)))
        self.content = {name: tf.constant(data[name]) for name in ("category", "brand", "band", "tokens")}
        self.attention = config.encoder == "attention"
        if self.attention:
            self.attention_kernel = table("attention_kernel", dim, ATTENTION_DIM)
            self.attention_age = table("attention_age", len(AGE_EDGES) + 1, ATTENTION_DIM, "zeros")
            self.attention_query = table("attention_query", ATTENTION_DIM, 1, "zeros")
        self.items, self.uniform_negatives = items, -(-config.uniform_negatives // self.replicas)
        self.frequencies = Frequencies(data["target"], items, config, self.replicas)
        self.corrected = config.log_q != "off"
        bias = None
        if config.loss == "cross_entropy":
            start = tf.keras.initializers.Constant(
                -np.log(items * (self.frequencies.largest if self.corrected else 1.0))
            )
            bias = self.loss_bias = self.add_weight(name="loss_bias", shape=(), initializer=start)
        self.built = True
        self.task = tfrs.tasks.Retrieval(
            two_tower_loss.make(config, bias),
            temperature=config.temperature,
            num_hard_negatives=config.hard_negatives or None,
            remove_accidental_hits=True,
        )

    def item_tower(self, items: tf.Tensor, training: bool) -> tf.Tensor:
        """Unit vectors, float32 `[n, dim]`, of items by index."""
        ids = items + 1
        if training:
            ids = tf.where(tf.random.uniform(tf.shape(ids)) < self.id_dropout, 0, ids)
        tokens = tf.gather(self.content["tokens"], items)
        words = tf.cast(tokens > 0, tf.float32)
        title = tf.einsum("ijk,ij->ik", tf.gather(self.token_table, tokens), words)
        title /= tf.maximum(tf.reduce_sum(words, axis=1, keepdims=True), 1.0)
        total = tf.gather(self.id_table, ids) + title
        for name, rows in (("category", self.category_table), ("brand", self.brand_table), ("band", self.band_table)):
            total += tf.gather(rows, tf.gather(self.content[name], items))
        return _unit(total)

    def query_tower(self, history: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
        """Unit vectors, float32 `[n, dim]`, from mean item vectors `[n, dim]` and context buckets `[n, 3]`."""
        who = tf.gather(self.country_table, context[:, 0]) + tf.gather(self.device_table, context[:, 1])
        who += tf.gather(self.user_table, context[:, 2])
        moved = self.out(self.hidden(tf.concat([history, who], axis=1)))
        return _unit(history + tf.cast(moved, tf.float32))

    def read(self, vectors: tf.Tensor, past: tf.Tensor, weight: tf.Tensor, age: tf.Tensor) -> tf.Tensor:
        """History encoder: float32 `[n, dim]`; see `two_tower_history` for its other half.

        Args:
            vectors: float32 `[m, dim]`, item vectors.
            past: int32 `[n, events]`, row of `vectors` of each event.
            weight, age: float32 `[n, events]`, decayed weights that add up to one and 0 in padding; age in days.
        """
        if self.attention:
            bucket = tf.searchsorted(tf.constant(AGE_EDGES), tf.reshape(age, [-1]), side="right")
            keys = tf.gather(tf.matmul(vectors, self.attention_kernel), tf.reshape(past, [-1]))
            score = tf.matmul(tf.tanh(keys + tf.gather(self.attention_age, bucket)), self.attention_query)
            score = tf.where(weight > 0, tf.reshape(score, tf.shape(past)), NOTHING)
            weight *= tf.exp(score - tf.reduce_max(score, axis=1, keepdims=True))
            weight /= tf.maximum(tf.reduce_sum(weight, axis=1, keepdims=True), 1e-12)
        # A sparse product: to gather a vector an event, and to scatter its gradient back, moves fifty times as much.
        count, events = tf.unstack(tf.shape(past))
        places = tf.stack([tf.repeat(tf.range(count), events), tf.reshape(past, [-1])], axis=1)
        shape = tf.cast([count, tf.shape(vectors)[0]], tf.int64)
        weights = tf.SparseTensor(tf.cast(places, tf.int64), tf.reshape(weight, [-1]), shape)
        return tf.sparse.sparse_dense_matmul(weights, vectors)

    def compute_loss(self, inputs: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        targets = inputs["target"]
        drawn = self._drawn(targets.dtype)
        ids = tf.concat([targets, drawn], axis=0)
        # Each distinct item of the step passes its tower once, however often histories repeat it.
        distinct, where = tf.unique(tf.concat([ids, tf.reshape(inputs["past"], [-1])], axis=0))
        vectors = self.item_tower(distinct, training)
        past = tf.reshape(where[tf.size(ids) :], tf.shape(inputs["past"]))
        history = self.read(vectors, past, inputs["weight"], inputs["age"])
        candidates = tf.gather(vectors, where[: tf.size(ids)])
        if self.replicas > 1:
            targets, ids, candidates = (of_all_replicas(each) for each in (targets, ids, candidates))
        if training:
            self.frequencies.observe(targets)
        return self.task(
            self.query_tower(history, inputs["context"]),
            candidates,
            candidate_sampling_probability=self.sampling_probability(ids, targets) if self.corrected else None,
            candidate_ids=ids,
            compute_metrics=False,
        )

    def _drawn(self, dtype: tf.DType) -> tf.Tensor:
        """This replica's part of the items that are drawn evenly."""
        if self.replicas == 1:
            return tf.random.uniform([self.uniform_negatives], 0, self.items, dtype)
        # Workers begin with the same seed, and would draw the same items.
        replica = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.int64)
        seed = tf.stack([tf.cast(self.optimizer.iterations, tf.int64), replica])
        return tf.random.stateless_uniform([self.uniform_negatives], seed, 0, self.items, dtype)

    def sampling_probability(self, ids: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """How much more or less often candidates turn up than the most frequent one of the step, float32 `[n]`.

        A constant factor shifts every logit alike; dividing by the largest keeps rare items of a large catalogue clear
        of the clipping at 1e-6 that the task's own correction applies.
        """
        expected = self.frequencies.expected(ids, targets)
        return expected / tf.reduce_max(expected)

    @tf.function(reduce_retracing=True)
    def recommend(self, batch: Mapping[str, tf.Tensor], k: int) -> tf.Tensor:
        """The k closest items of each query, int32 `[n, k]`."""
        items = self.item_tower(tf.range(self.items), False)
        query = self.query_tower(self.read(items, batch["past"], batch["weight"], batch["age"]), batch["context"])
        return tf.math.top_k(tf.matmul(query, items, transpose_b=True), k).indices

    def export_arrays(self, data: Arrays) -> dict[str, NDArray[Any]]:
        """What `two_tower_source` needs, and `start_from` of a later fit."""
        return {**{name: value.numpy() for name, value in self._exported().items()}, "item_ids": data["item_ids"]}

    def start_from(self, arrays: Arrays, data: Arrays) -> None:
        """Take over what another fit exported; an item that it did not know keeps its small random row."""
        ids = self.id_table.numpy()
        _, ours, theirs = np.intersect1d(data["item_ids"], arrays["item_ids"], return_indices=True)
        ids[ours + 1], ids[0] = arrays["id_table"][theirs + 1], arrays["id_table"][0]
        for name, value in self._exported().items():
            value.assign(ids if name == "id_table" else arrays[name])

    def _exported(self) -> dict[str, tf.Variable]:
        names = [f"{name}_table" for name in ("id", "category", "brand", "band", "token", "country", "device", "user")]
        names += [f"attention_{name}" for name in ("kernel", "age", "query") if self.attention]
        dense = {"hidden_kernel": self.hidden.kernel, "hidden_bias": self.hidden.bias}
        dense |= {"out_kernel": self.out.kernel, "out_bias": self.out.bias}
        return {name: getattr(self, name) for name in names} | dense

    def query_module(self) -> tf.Module:
        """The query tower alone, for a SavedModel: float32 `[n, dim]`.

        Its arguments are the item vectors of each shopper's events `[n, events, dim]`, their decayed weights that add
        up to one and ages in days `[n, events]`, and the context `[n, 3]`.
        """
        module, dim = tf.Module(), self.id_table.shape[1]
        module.parts = list(self._exported().values())
        reals = [tf.TensorSpec(shape, tf.float32) for shape in ([None, None, dim], [None, None], [None, None])]

        @tf.function(input_signature=[*reals, tf.TensorSpec([None, 3], tf.int32)])
        def query(vectors: tf.Tensor, weight: tf.Tensor, age: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
            flat = tf.reshape(vectors, [-1, dim])
            past = tf.reshape(tf.range(tf.shape(flat)[0]), tf.shape(weight))
            return self.query_tower(self.read(flat, past, weight, age), context)

        module.__call__ = query
        return module


def _policy(compute_dtype: str) -> Any:
    return compute_dtype if compute_dtype == "float32" else tf.keras.mixed_precision.Policy(f"mixed_{compute_dtype}")


def _unit(vectors: tf.Tensor) -> tf.Tensor:
    return vectors / tf.sqrt(tf.reduce_sum(tf.square(vectors), axis=1, keepdims=True) + 1e-12)
