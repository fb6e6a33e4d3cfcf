"""The two towers in TensorFlow, and their loss by TensorFlow Recommenders. Import only after choosing legacy Keras."""

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs
from numpy.typing import NDArray

from models.candidates.content import CATEGORY_BUCKETS, PRICE_BANDS
from models.candidates.two_tower_data import CONTEXT_BUCKETS
from models.config import TwoTowerConfig

CONTEXT_DIM = 8
ID_DROPOUT = 0.1
"""Share of items that a step sees without their id, so that content alone learns to place a new item."""

Arrays = Mapping[str, NDArray[Any]]


class TwoTowerModel(tfrs.models.Model):
    """Query and item tower with in-batch sampled softmax.

    Items share one table between history and candidates, which matters more than anything else here. Candidates'
    logits are corrected by the logarithm of their sampling frequency (Yi et al., "Sampling-bias-corrected neural
    modeling", RecSys 2019); a candidate equal to the row's own target is no negative.
    """

    def __init__(self, data: Arrays, config: TwoTowerConfig, compute_dtype: str) -> None:
        super().__init__()
        dim, items = config.dim, len(data["item_ids"])
        self.temperature = config.temperature

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
        counts = np.bincount(data["target"], minlength=items) + 1.0
        # A constant factor shifts every logit alike; dividing by the largest keeps rare items clear of the clipping at
        # 1e-6 that the task's own correction applies.
        self.sampling = tf.constant(counts / counts.max(), tf.float32)
        self.built = True
        self.task = tfrs.tasks.Retrieval(temperature=config.temperature, remove_accidental_hits=True, metrics=None)

    def item_tower(self, items: tf.Tensor, training: bool) -> tf.Tensor:
        """Unit vectors, float32 `[n, dim]`, of items by index."""
        ids = items + 1
        if training:
            ids = tf.where(tf.random.uniform(tf.shape(ids)) < ID_DROPOUT, 0, ids)
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

    def compute_loss(self, inputs: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        # Each distinct item of the step passes its tower once, however often histories repeat it.
        flat = tf.concat([inputs["target"], tf.reshape(inputs["past"], [-1])], axis=0)
        distinct, where = tf.unique(flat)
        vectors = self.item_tower(distinct, training)
        size = tf.shape(inputs["target"])[0]
        candidates = tf.gather(vectors, where[:size])
        past = tf.reshape(tf.gather(vectors, where[size:]), [size, -1, vectors.shape[1]])
        query = self.query_tower(tf.einsum("ijk,ij->ik", past, inputs["weight"]), inputs["context"])
        return self.task(
            query,
            candidates,
            candidate_sampling_probability=tf.gather(self.sampling, inputs["target"]),
            candidate_ids=inputs["target"],
            compute_metrics=False,
        )

    @tf.function(reduce_retracing=True)
    def recommend(self, batch: Mapping[str, tf.Tensor], k: int) -> tf.Tensor:
        """The k closest items of each query, int32 `[n, k]`."""
        items = self.item_tower(tf.range(self.id_table.shape[0] - 1), False)
        past = tf.gather(items, batch["past"])
        query = self.query_tower(tf.einsum("ijk,ij->ik", past, batch["weight"]), batch["context"])
        return tf.math.top_k(tf.matmul(query, items, transpose_b=True), k).indices

    def export_arrays(self, data: Arrays) -> dict[str, NDArray[Any]]:
        """What `two_tower_source` needs."""
        tables = ("id", "category", "brand", "band", "token", "country", "device", "user")
        arrays = {f"{name}_table": getattr(self, f"{name}_table").numpy() for name in tables}
        kernel, bias = (value.numpy() for value in (self.hidden.kernel, self.hidden.bias))
        out_kernel, out_bias = self.out.kernel.numpy(), self.out.bias.numpy()
        dense = {"hidden_kernel": kernel, "hidden_bias": bias, "out_kernel": out_kernel, "out_bias": out_bias}
        return {**arrays, **dense, "item_ids": data["item_ids"]}

    def query_module(self) -> tf.Module:
        """The query tower alone, for a SavedModel: `(history [n, dim], context [n, 3]) -> [n, dim]`."""
        module, dim = tf.Module(), self.id_table.shape[1]
        module.parts = [self.country_table, self.device_table, self.user_table, self.hidden, self.out]
        signature = [tf.TensorSpec([None, dim], tf.float32), tf.TensorSpec([None, 3], tf.int32)]
        module.__call__ = tf.function(self.query_tower, input_signature=signature)
        return module


def _policy(compute_dtype: str) -> Any:
    return compute_dtype if compute_dtype == "float32" else tf.keras.mixed_precision.Policy(f"mixed_{compute_dtype}")


def _unit(vectors: tf.Tensor) -> tf.Tensor:
    return vectors / tf.sqrt(tf.reduce_sum(tf.square(vectors), axis=1, keepdims=True) + 1e-12)
