"""The check `distributed` of `make verify`: loss curves of shared trainings against that of one device.

Both networks are taught on one device, on two virtual devices of one process (MirroredStrategy) and by two processes on
loopback (MultiWorkerMirroredStrategy, `TF_CONFIG`): the same examples, seed and step, without dropout, whose draws
differ by nature. Then once with dropout, held to the held-out figure; and once without the exchange of candidates,
which must *not* give the same curve, or the check could not tell. Last, two workers run a whole training over one VAR
(`tests/models/test_training_together.py`).
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from infra.checks.marked import marked
from infra.embedded.commands import say
from infra.embedded.layout import HOME
from lake.errors import Unavailable

MODELS = ("two_tower", "two_tower_all", "ranker")
SHARED = ("mirrored", "multi-worker")
CURVE_BAR, DROPOUT_BAR = 2e-3, 0.1
"""Largest relative difference of a curve's point without dropout, and of the held-out figure with it."""
LIMIT_SECONDS = 400
TESTS = ("tests/models/test_training_together.py", "tests/models/ranking/test_together.py")
Figures = dict[str, Any]


def check() -> tuple[Figures, bool]:
    """The curves, their differences and whether all held."""
    found: Figures = {"bar": CURVE_BAR, "bar_with_dropout": DROPOUT_BAR}
    good = []
    for model in MODELS:
        alone = train(model, "single")[0]
        told: Figures = {"single": alone}
        for way in SHARED:
            workers = train(model, way)
            told[way] = workers[0] | {"largest_difference": difference(alone["curve"], workers[0]["curve"])}
            agree = all(worker["curve"] == workers[0]["curve"] for worker in workers)
            told[way] |= {"workers": len(workers), "workers_agree": agree}
            good.append(told[way]["largest_difference"] <= CURVE_BAR and agree and workers[0]["replicas"] == 2)
        found[model] = told
        say(f"distributed: {model}: { ({way: told[way]['largest_difference'] for way in SHARED}) }")
    apart = train("two_tower", "mirrored", {"EXCHANGE": "false"})[0]
    apart["largest_difference"] = difference(found["two_tower"]["single"]["curve"], apart["curve"])
    found["two_tower"]["without_exchange"] = apart
    good.append(apart["largest_difference"] > 10 * CURVE_BAR)
    for model in ("two_tower", "ranker"):
        pair = [train(model, way, {"DROPOUT": "true"})[0] for way in ("single", "mirrored")]
        held = [each["held_out"] for each in pair]
        found[model]["with_dropout"] = {"single": held[0], "mirrored": held[1]}
        good.append(abs(held[1] / held[0] - 1) <= DROPOUT_BAR)
    tests, passed = marked(*TESTS)
    return {**found, "tests": tests}, all(good) and passed


def difference(alone: Sequence[float], shared: Sequence[float]) -> float:
    """The largest relative difference between two curves; infinite where they are not equally long."""
    if len(alone) != len(shared) or not alone:
        return float("inf")
    return max(abs(theirs - ours) / max(abs(ours), 1e-9) for ours, theirs in zip(alone, shared, strict=True))


def train(model: str, way: str, more: Mapping[str, str] | None = None) -> list[Figures]:
    """What `distributed_run` says of one training, the chief first.

    Raises:
        Unavailable: a process failed or did not end; the message has its last lines.
    """
    with tempfile.TemporaryDirectory(prefix="nightshelf-together-") as name, ExitStack() as stack:
        folder, workers = Path(name), 2 if way == "multi-worker" else 1
        configs = tf_configs(workers) if workers > 1 else [""]
        command = [sys.executable, "-m", "infra.checks.distributed_run", model, way, name]
        running = []
        for number, config in enumerate(configs):
            log = stack.enter_context((folder / f"{number}.log").open("w"))
            environment = os.environ | {"TF_CONFIG": config} | dict(more or {})
            running.append(subprocess.Popen(command, cwd=HOME, env=environment, stdout=log, stderr=log))
        try:
            codes = [each.wait(LIMIT_SECONDS) for each in running]
        except subprocess.TimeoutExpired:
            codes = [-1]
        finally:
            for each in running:
                each.kill()
        if any(codes):
            ends = "\n".join((folder / f"{number}.log").read_text()[-2000:] for number in range(workers))
            raise Unavailable(f"training {model} as {way} ended with {codes}:\n{ends}")
        return [json.loads((folder / f"{number}.json").read_text()) for number in range(workers)]


def tf_configs(workers: int) -> list[str]:
    """`TF_CONFIG` of each of so many workers on loopback ports that are free now, with room for the two-tower's."""
    probes = [socket.socket() for _ in range(workers)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{probe.getsockname()[1]}" for probe in probes]
    finally:
        for probe in probes:
            probe.close()
    cluster = {"worker": addresses}
    return [json.dumps({"cluster": cluster, "task": {"type": "worker", "index": n}}) for n in range(workers)]
