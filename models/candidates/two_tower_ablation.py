"""What each part of the two-tower is worth: the same shop, one change at a time, the source judged alone.

`python -m models.candidates.two_tower_ablation --ds D [--days N] [--only NAME,...] [--json F]`. Each variant is trained
as of D with the last N days held out to choose its epochs, and asked for candidates as of D in numpy, as at night.
The truth is what known shoppers touch in the N days after D; `new` are items that they never touched before, against
candidates without the touched ones. The variant `later fit` holds nothing out: it goes on from a fit N days older.
"""

import json
import logging
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from lake.clock import parse_day, shift
from lake.command import finish
from lake.errors import BadInput
from lake.settings import Settings
from models import labels, metrics
from models.candidates import two_tower, two_tower_data
from models.candidates.history import History
from models.candidates.signals import Touched
from models.candidates.two_tower_source import TwoTower
from models.config import TrainingConfig
from models.measuring import judged_users
from models.metrics import Floats
from models.snapshot import Snapshot
from models.targets import Targets

log = logging.getLogger("nightshelf.two_tower_ablation")

DAYS, RECALL_AT, NDCG_AT, CHUNK = 14, 100, 20, 500
AS_CONFIGURED = "as configured"
LATER = "later fit"
VARIANTS: dict[str, dict[str, Any]] = {
    AS_CONFIGURED: {},
    "logQ off": {"log_q": "off"},
    "logQ streaming": {"log_q": "streaming"},
    "temperature 0.04": {"temperature": 0.04},
    "temperature 0.12": {"temperature": 0.12},
    "256 uniform negatives": {"uniform_negatives": 256},
    "1024 uniform negatives": {"uniform_negatives": 1024},
    "32 hard negatives": {"hard_negatives": 32},
    "256 hard negatives": {"hard_negatives": 256},
    "history by attention": {"encoder": "attention"},
    "loss bpr": {"loss": "bpr"},
    "loss cross_entropy": {"loss": "cross_entropy"},
    LATER: {},
}


def run(settings: Settings, ds: date, days: int, names: list[str], workdir: Path) -> dict[str, Any]:
    """Fit and judge variants.

    Returns:
        by variant: epochs, seconds, and `<target>.recall@100` and `<target>.ndcg@20` with mean, low, high, and their
        paired ratio to the variant as configured where that one is among `names`.

    Raises:
        BadInput: a name that is no variant, or nobody to judge.
    """
    if unknown := [name for name in names if name not in VARIANTS]:
        raise BadInput(f"--only {', '.join(unknown)}: no such variant; known are {', '.join(VARIANTS)}")
    snapshot = Snapshot.load(settings, ds, exact=True)
    truth = labels.touched(settings, shift(ds, 1), shift(ds, days))
    targets = Targets.of(snapshot, truth, judged_users(snapshot, truth)[0])
    if not len(targets.users):
        raise BadInput(f"--ds {ds}: nobody known then did anything in the {days} days after; give an earlier day")
    results: dict[str, Any] = {}
    base: Mapping[str, Floats] | None = None
    for name in names:
        config = TrainingConfig.parse(json.dumps({"two_tower": VARIANTS[name]}))
        folder = workdir / name.replace(" ", "_")
        fitted = _fit(settings, snapshot, config, days, folder, later=name == LATER)
        with np.load(folder / "now" / "arrays.npz", allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
        values = measure(snapshot, targets, arrays, config)
        base = values if name == AS_CONFIGURED else base
        told = {key: asdict(metrics.bootstrap(each)) for key, each in values.items()}
        ratio = {key: asdict(metrics.paired_ratio(each, base[key])) for key, each in values.items()} if base else {}
        results[name] = {"epochs": fitted["epochs"], "seconds": fitted["seconds"], **told, "ratio": ratio}
        log.info("%s: %s", name, results[name])
    return {"ds": str(ds), "days": days, "shoppers": len(targets.users), "variants": results}


def _fit(
    settings: Settings, snapshot: Snapshot, config: TrainingConfig, days: int, folder: Path, *, later: bool
) -> dict[str, Any]:
    """One fit as of the snapshot, its last days held out; `later` starts it from one that is older by as many."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config.get_config()))
    fits = ["now"]
    if later:
        older = Snapshot.load(settings, shift(snapshot.as_of, -days), exact=True)
        two_tower_data.save(two_tower_data.inputs(older, config, days), folder / "older.npz")
        fits.insert(0, "older")
    two_tower_data.save(two_tower_data.inputs(snapshot, config, 0 if later else days), folder / "now.npz")
    return dict(two_tower.train(settings, folder, fits)["now"])


def measure(
    snapshot: Snapshot, targets: Targets, arrays: Mapping[str, Any], config: TrainingConfig
) -> dict[str, Floats]:
    """The source's candidates against the targets, one figure a shopper, NaN without a target of the kind."""
    scorer, history = TwoTower(arrays, config).prepare(snapshot), History.of(snapshot, config.event_weights)
    values: dict[str, Floats] = {}
    for target in ("all", "new"):
        lists = np.full((len(targets.rows), RECALL_AT), metrics.PAD, np.int64)
        for start in range(0, len(targets.rows), CHUNK):
            rows = targets.rows[start : start + CHUNK]
            known = history.touched(rows) if target == "new" else Touched.nothing(len(rows))
            best, _ = scorer.signals(rows)["two_tower"].top(RECALL_AT, known)
            lists[start : start + len(rows), : best.shape[1]] = np.where(best >= 0, best, metrics.PAD)
        part = targets.part(target)
        user, item = targets.user[part], targets.item[part]
        hit, sizes = metrics.hits(lists, user, item), metrics.truth_sizes(len(targets.users), user, item)
        values[f"{target}.recall@{RECALL_AT}"] = metrics.recall(hit, sizes, RECALL_AT)
        values[f"{target}.ndcg@{NDCG_AT}"] = metrics.ndcg(hit, sizes, NDCG_AT)
    return values


def table(result: Mapping[str, Any]) -> str:
    """For a terminal or a document: one line a variant, Markdown."""
    keys = [f"{target}.{name}" for target in ("all", "new") for name in (f"recall@{RECALL_AT}", f"ndcg@{NDCG_AT}")]
    lines = [f"| variant | epochs | s | {' | '.join(keys)} |", "|---|---|---|" + "---|" * len(keys)]
    for name, found in result["variants"].items():
        cells = [f"{found[key]['mean']:.4f}" + _ratio(found["ratio"].get(key)) for key in keys]
        lines.append(f"| {name} | {found['epochs']} | {found['seconds']:.0f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _ratio(ratio: Mapping[str, float] | None) -> str:
    return f" ({ratio['mean']:.3f}, {ratio['low']:.3f}-{ratio['high']:.3f})" if ratio and ratio["mean"] != 1.0 else ""


def command(
    ds: Annotated[str, typer.Option("--ds", help="The last day that may be known, YYYY-MM-DD.")],
    days: Annotated[int, typer.Option("--days", min=1, help="Held-out days, and days that are judged.")] = DAYS,
    only: Annotated[str, typer.Option("--only", help="Variants, comma-separated; default all.")] = "",
    path: Annotated[Path | None, typer.Option("--json", help="Also write the figures there.")] = None,
) -> None:
    def work(settings: Settings) -> Mapping[str, Any]:
        workdir = Path(tempfile.mkdtemp(prefix="two_tower_ablation"))
        try:
            names = only.split(",") if only else list(VARIANTS)
            result = run(settings, parse_day(ds, "--ds"), days, names, workdir)
        finally:
            shutil.rmtree(workdir, ignore_errors=True)
        print(table(result))
        if path is not None:
            path.write_text(json.dumps(result, indent=1))
        return result

    finish("models.candidates.two_tower_ablation", work)


if __name__ == "__main__":
    typer.run(command)
