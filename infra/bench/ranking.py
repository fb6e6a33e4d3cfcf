"""Ranking of candidates: the network, and the stage with its features, against the machine's sgemm and Keras.

The shop is made up and as large as the bars suppose: 25,000 items, 200 candidates a shopper, a network of
256-128-64. The network's weights are random; its speed does not depend on them. FLOP are those of the network as it is
written down, so that work that is saved counts as speed.
"""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from infra.bench.figures import Figure, in_turns, stopwatch
from infra.bench.snapshot import BenchShop
from models.candidates.signals import Touched
from models.candidates.union import Union
from models.config import RankerConfig
from models.ranking import normalisation
from models.ranking.features import CROSSES, NAMES, PairFeatures, Pairs
from models.ranking.network import Network

HIDDEN = (256, 128, 64)
SHOPPERS = 1_000


def measure(runs: int) -> list[Figure]:
    """Network and stage of a 256-128-64 ranker in GFLOP/s, and pairs a second against Keras."""
    threads = len(os.sched_getaffinity(0))
    shop = BenchShop.made(shoppers=SHOPPERS)
    union = shop.union
    figures = []
    for config, name in ((RankerConfig(networks=1, hidden=HIDDEN), "256-128-64"), (RankerConfig(), "as configured")):
        arrays = random_ranker(config)
        blocks = [union.block(part) for part in np.array_split(np.arange(SHOPPERS, dtype=np.int32), 2 * threads)]
        found = [union.candidates(block, shop.config.candidates) for block in blocks]
        arrays |= normalisation.learn(PairFeatures(union).of(blocks[0], found[0], only_new=False).dense)
        features, network = PairFeatures(union, arrays), Network(arrays)
        pairs = [features.of(block, part, only_new=False) for block, part in zip(blocks, found, strict=True)]
        count, flop = sum(map(len, found)), flops(config)

        def rate(work: Callable[[Any], object], parts: Any, count: int = count) -> Callable[[], float]:
            def timed() -> float:
                with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool, stopwatch() as seconds:
                    list(pool.map(work, parts))
                return count / seconds()

            return timed

        def stage(part: Any, features: PairFeatures = features, network: Network = network) -> object:
            return network.scores(features.of(*part, only_new=False))

        both = list(zip(blocks, found, strict=True))
        measured = [rate(network.scores, pairs), rate(stage, both), lambda: _sgemm(threads)]
        keras = name == "256-128-64"
        if keras:
            measured.append(_predict(config, arrays, pairs))
        net, whole, peak, *predicted = in_turns(runs, *measured)
        details = {"pairs": count, "flop_a_pair": flop, "threads": threads, "items": len(union.snapshot.items)}
        speed = [tuple(value * flop / 1e9 for value in values) for values in (net, whole)]
        figures += [
            Figure(
                *(f"ranking, network {name}", "GFLOP/s", speed[0], peak, "sgemm peak"),
                bar=0.6 if keras else None,
                floor="The first layer reads 87 features a pair; bias, cut-off and wide part are passes over memory.",
                details=details,
            ),
            Figure(
                *(f"ranking, features and network {name}", "GFLOP/s", speed[1], peak, "sgemm peak"),
                bar=0.35 if keras else None,
                floor="30 of the 87 features are made for the pair (a logarithm and two searches among 64 knots each "
                "signal), 57 are copied from tables.",
                details=details
                | {"us_a_pair": round(1e6 * threads / float(np.median(whole)), 2)}
                | {"us_a_shopper": where_the_time_goes(union, features, network)},
            ),
        ]
        if keras:
            figures.append(
                Figure("ranking, network against Keras", "pairs/s", net, predicted[0], "model.predict", bar=2.5)
            )
    return figures


def where_the_time_goes(
    union: Union, features: PairFeatures, network: Network, shoppers: int = 200
) -> dict[str, float]:
    """Microseconds a shopper on one core, step by step."""
    rows, nothing, found = np.arange(shoppers, dtype=np.int32), Touched.nothing(shoppers), {}

    def told(name: str, work: Callable[..., Any], *given: Any) -> Any:
        with stopwatch() as seconds:
            made = work(*given)
        found[name] = round(1e6 * seconds() / shoppers, 1)
        return made

    with threadpool_limits(1, "blas"):
        for name, scorer in union.scorers.items():
            signals = told(f"{name}: what it says", scorer.signals, rows)
            told(f"{name}: its best", signals[name].top, union.config.per_source, nothing)
        block = union.block(rows)
        pairs = told("the union of the best", union.candidates, block, union.config.candidates)
        dense = told("features", partial(features.of, only_new=False), block, pairs)
        told("network", network.scores, dense)
    return found


def flops(config: RankerConfig) -> int:
    """Multiplications and additions of the network for one pair."""
    widths = (len(NAMES), *config.hidden, 1)
    return config.networks * sum(2 * a * b for a, b in pairwise(widths))


def random_ranker(config: RankerConfig) -> dict[str, NDArray[Any]]:
    """Arrays as `wide_deep.fit` exports them, untrained."""
    rng = np.random.default_rng(2)
    widths = (len(NAMES) + 1, *config.hidden, 1)
    arrays: dict[str, NDArray[Any]] = {
        "wide_table": rng.normal(size=(len(CROSSES), config.cross_buckets)).astype(np.float32),
        "item_table": np.zeros((config.cross_buckets, 1), np.float32),
    }
    for layer, (a, b) in enumerate(pairwise(widths)):
        arrays[f"kernel_{layer}"] = (rng.normal(size=(config.networks, a, b)) / np.sqrt(a)).astype(np.float32)
        arrays[f"bias_{layer}"] = np.zeros((config.networks, b), np.float32)
    return arrays


def _sgemm(threads: int, size: int = 1024, products: int = 12) -> float:
    """GFLOP/s of square products, each thread with its own: the machine's peak for this purpose."""
    rng = np.random.default_rng(0)
    left, right = (rng.normal(size=(size, size)).astype(np.float32) for _ in range(2))

    def work(_: int) -> None:
        out = np.empty((size, size), np.float32)
        for _ in range(products):
            np.matmul(left, right, out=out)

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool, stopwatch() as seconds:
        list(pool.map(work, range(threads)))
    return threads * products * 2 * size**3 / seconds() / 1e9


def _predict(config: RankerConfig, arrays: Mapping[str, NDArray[Any]], pairs: list[Pairs]) -> Callable[[], float]:
    """Pairs a second of `model.predict` on the same features, in batches of a thousand shoppers' worth."""
    from models.ranking import wide_deep

    config = config.model_copy(update={"item_dim": 0})
    model = wide_deep.build(config)
    dense = np.concatenate([part.dense for part in pairs])[None]
    wide = np.concatenate([wide_deep.bounded(part.wide, config) for part in pairs])[None]
    item = np.concatenate([part.item for part in pairs])[None] % config.cross_buckets
    size = 200
    rows = dense.shape[1] // size
    inputs = [values[:, : rows * size].reshape(rows, size, *values.shape[2:]) for values in (dense, wide, item)]

    def timed() -> float:
        with stopwatch() as seconds:
            model.predict(inputs, batch_size=32, verbose=0)
        return rows * size / seconds()

    return timed
