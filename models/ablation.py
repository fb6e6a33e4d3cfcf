"""What each part of both stages is worth: the same shop, one change at a time, judged on days that nothing has seen.

`python -m models.ablation --ds D [--days N] [--only NAME,...] [--json F]`. Stage one is trained once, as a training as
of D does it; each variant then takes a source out, or teaches the ranker differently, and ranks for the N days after
D. Differences are paired. `without two_tower` tells whether the two-tower earns its training on this log.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from lake.clock import parse_day
from lake.command import finish
from lake.errors import BadInput
from lake.settings import Settings
from models import cuts, labels, teaching, training
from models.baselines import BASELINES
from models.bundle import Bundle
from models.candidates.two_tower_process import TwoTowerProcess
from models.config import TrainingConfig
from models.device import choose
from models.evaluation import evaluate, list_maker
from models.interface import SOURCES
from models.ranking.examples import Examples
from models.ranking.features import NAMES
from models.snapshot import Snapshot
from models.stages import Stages, fingerprint
from models.windows import Windows

log = logging.getLogger("nightshelf.ablation")

AS_CONFIGURED = "as configured"
ONLY_NEW = NAMES.index("only_new")
MEASURES = ("all.ndcg", "all.recall", "new.ndcg", "new.recall")


@dataclass(frozen=True)
class Variant:
    """One change.

    Attributes:
        without: the source that is taken out.
        changes: settings of the training that differ.
        windows: how many of the label windows teach, the newest; None = all.
        only: `all` or `new`: which queries teach; None = both.
    """

    without: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    windows: int | None = None
    only: str | None = None


VARIANTS: dict[str, Variant] = {
    AS_CONFIGURED: Variant(),
    "another seed": Variant(changes={"seed": 7}),
    "up to 30 epochs": Variant(changes={"ranker": {"max_epochs": 30}}),
    **{f"without {name}": Variant(without=name) for name in SOURCES},
    "loss pairwise": Variant(changes={"ranker": {"loss": "pairwise"}}),
    "loss cross_entropy": Variant(changes={"ranker": {"loss": "cross_entropy"}}),
    "one network": Variant(changes={"ranker": {"networks": 1}}),
    "item embedding": Variant(changes={"ranker": {"item_dim": 8}}),
    "no hidden layers": Variant(changes={"ranker": {"hidden": []}}),
    "two windows": Variant(windows=2),
    "queries of everything only": Variant(only="all"),
}


def run(
    settings: Settings, ds: date, days: int, names: Sequence[str], base: TrainingConfig, workdir: Path | None = None
) -> dict[str, Any]:
    """Train and judge variants; started again it takes up what is finished.

    Returns:
        by variant: seconds, epochs, each of `MEASURES` with mean, low and high, and their paired ratio to the training
        as configured, where that one is among `names`.

    Raises:
        BadInput: a name that is no variant, a log too short to train on, or nobody to judge.
    """
    if unknown := [name for name in names if name not in VARIANTS]:
        raise BadInput(f"--only {', '.join(unknown)}: no such variant; known are {', '.join(VARIANTS)}")
    windows = Windows.choose(settings, ds, base)
    if windows is None:
        raise BadInput(f"--ds {ds}: the log is too short for label windows; there is nothing to train")
    window, now = cuts.window(settings, ds, days), Snapshot.load(settings, ds, exact=True)
    past = {cut: Snapshot.load(settings, cut, exact=True) for cut in windows.cuts}
    key = fingerprint([training.CODE, base.get_config(), windows.days, now, *past.values()])
    stages = Stages(workdir or settings.var / "ablation" / ds.isoformat(), key, len(past) + 1 + 2 * len(names))
    towers = _towers(stages, base, windows.days, [*past.values(), now])
    truth = labels.touched(settings, window.first, window.last)
    makers: dict[str, Any] = {}
    told: dict[str, dict[str, Any]] = {}
    for name in names:
        variant = VARIANTS[name]
        config = _changed(base, variant)
        used = towers if "two_tower" in config.sources else {}
        parts = []
        for cut in list(past)[-(variant.windows or len(past)) :]:
            mine = config.model_copy(update={"ranker": base.ranker}).get_config()
            stage = f"examples after {cut} {fingerprint([mine])[:12]}"
            make = partial(teaching.examples_after, settings, config, past[cut], used.get(cut), windows.after(cut))
            parts.append(_asked(Examples.of(stages.arrays(stage, make)), variant.only))
        ranker = teaching.teach_ranker(stages, f"ranker {name}", parts, config, choose(settings), None)
        bundle = Bundle({"trained_through": ds.isoformat()}, config, used.get(ds), teaching.weights(ranker))
        makers[name] = list_maker(bundle)
        seconds = stages.seconds.get(f"ranker {name}")
        told[name] = {"queries": sum(map(len, parts)), "epochs": int(ranker["epochs"]), "seconds": seconds}
    found = evaluate(makers, now, truth, window, baselines=BASELINES)
    for name in names:
        for measure in MEASURES:
            told[name][measure] = asdict(found.rankers[name].estimate(measure))
            if AS_CONFIGURED in names and name != AS_CONFIGURED:
                told[name][f"{measure}.ratio"] = asdict(found.ratio(name, AS_CONFIGURED, measure))
    return {"ds": str(ds), "window": str(window), "shoppers": len(found.users), "variants": told}


def _towers(stages: Stages, config: TrainingConfig, held_out_days: int, days: Sequence[Snapshot]) -> dict[date, Any]:
    """Stage one up to each day, oldest first; nothing where the two-tower is no source."""
    if "two_tower" not in config.sources:
        return {}
    with TwoTowerProcess(stages.folder, [f"{each.as_of}" for each in days]) as process:
        teaching.lay_out_towers(stages, config, days, held_out_days)
        process.start()
        return {each.as_of: teaching.towers_of(stages, process, each.as_of) for each in days}


def _changed(base: TrainingConfig, variant: Variant) -> TrainingConfig:
    config = base.get_config() | {"sources": [name for name in base.sources if name != variant.without]}
    for name, value in variant.changes.items():
        config[name] = config[name] | value if isinstance(value, Mapping) else value
    return TrainingConfig.model_validate(config)


def _asked(examples: Examples, only: str | None) -> Examples:
    """Those of the queries that ask for lists of everything, or of what was never touched."""
    if only is None:
        return examples
    new = examples.pairs.dense[examples.ptr[:-1], ONLY_NEW] > 0
    return examples.take(np.flatnonzero(new == (only == "new")))


def table(result: Mapping[str, Any]) -> str:
    """For a terminal or a document: one line a variant, Markdown."""
    lines = [f"| variant | epochs | {' | '.join(MEASURES)} |", "|---|---|" + "---|" * len(MEASURES)]
    for name, found in result["variants"].items():
        cells = [f"{found[measure]['mean']:.4f}" + _ratio(found.get(f"{measure}.ratio")) for measure in MEASURES]
        lines.append(f"| {name} | {found['epochs']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _ratio(ratio: Mapping[str, float] | None) -> str:
    return f" ({ratio['mean']:.3f}, {ratio['low']:.3f}-{ratio['high']:.3f})" if ratio else ""


def command(
    ds: Annotated[str, typer.Option("--ds", help="The last day that may be known, YYYY-MM-DD.")],
    days: Annotated[int, typer.Option("--days", min=1, help="Days after it that are judged.")] = cuts.DAYS,
    only: Annotated[str, typer.Option("--only", help="Variants, comma-separated; default all.")] = "",
    config: Annotated[str, typer.Option("--config", help="JSON object of settings that hold for all.")] = "",
    path: Annotated[Path | None, typer.Option("--json", help="Also write the figures there.")] = None,
) -> None:
    def work(settings: Settings) -> Mapping[str, Any]:
        names = [name.strip() for name in only.split(",")] if only else list(VARIANTS)
        result = run(settings, parse_day(ds, "--ds"), days, names, TrainingConfig.parse(config))
        print(table(result))
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        return result

    finish("models.ablation", work)


if __name__ == "__main__":
    typer.run(command)
