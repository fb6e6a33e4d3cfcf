"""The two-tower's training against the loops of the TensorFlow Recommenders tutorials, on the same examples.

TFRS wants the legacy Keras, to be chosen before TensorFlow is imported: `infra.bench.training_loops` runs in a process
of its own.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from infra.bench.figures import Figure
from infra.bench.snapshot import BenchShop
from infra.embedded.layout import HOME
from lake.errors import Unavailable
from models.candidates import two_tower_data
from models.device import before_tensorflow

SHOPPERS, ITEMS = 4_000, 5_000
AGAINST = {
    "basic": "the basic retrieval tutorial: shopper's id and item's id, nothing of the history",
    "sequential": "the sequential retrieval tutorial: a GRU over the same history",
}
FLOOR = {
    "basic": "Its query is one row of a table; ours reads up to 50 items of a history, five tables an item, a residual "
    "layer and the popularity correction. Both compare 1,024 queries with 1,024 items in 64 dimensions a step.",
    "sequential": "It reads the same history item after item, one step of the GRU each; ours takes one weighted sum.",
}


def measure(runs: int) -> list[Figure]:
    """Examples a second, whole epochs on all cores."""
    shop = BenchShop.made(shoppers=SHOPPERS, items=ITEMS)
    arrays = two_tower_data.inputs(shop.snapshot, shop.config, 0)
    with tempfile.TemporaryDirectory(prefix="nightshelf-bench-") as folder:
        two_tower_data.save(arrays, Path(folder) / "data.npz")
        found = _loops(Path(folder), runs)
    shape: dict[str, Any] = {"examples": len(arrays["target"]), "items": ITEMS, "shoppers": SHOPPERS}
    shape |= {name: found[name] for name in ("batch_size", "dim", "history", "threads", "ours_seconds_an_epoch")}
    return [
        Figure(
            f"training, against {name} retrieval",
            "examples/s",
            tuple(found["ours"]),
            tuple(found[name]),
            AGAINST[name],
            floor=FLOOR[name],
            details=shape,
        )
        for name in AGAINST
    ]


def _loops(folder: Path, runs: int) -> dict[str, Any]:
    threads = len(os.sched_getaffinity(0))
    before_tensorflow(threads)
    command = [sys.executable, "-m", "infra.bench.training_loops", str(folder), str(runs), str(threads)]
    done = subprocess.run(command, cwd=HOME, env=os.environ.copy())
    if done.returncode:
        raise Unavailable(f"the training loops ended with code {done.returncode}; see the lines above")
    return dict(json.loads((folder / "speeds.json").read_text()))
