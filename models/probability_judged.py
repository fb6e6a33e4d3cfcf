"""Do the probabilities hold? `python -m models.probability_judged --ds D [--bundle B] [--only-new] [--json F]`.

A bundle trained through D or before tells for each candidate how likely its shopper touches it within a label window;
this holds that against what happened in as many days after D, over all shoppers, those included who did not come. The
candidates are sorted by their probability and cut into bins of as many expected hits each.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from lake.clock import parse_day
from lake.command import finish
from lake.errors import BadInput
from lake.settings import Settings
from models import cuts, labels
from models.bundle import Bundle
from models.interface import Floats, Ints
from models.snapshot import Snapshot
from models.targets import Targets

BINS = 10


@dataclass(frozen=True)
class Bin:
    """Candidates of like probability: how many, and the mean that was told and that happened."""

    pairs: int
    told: float
    happened: float


@dataclass(frozen=True)
class Reliability:
    """How told probabilities turned out.

    Attributes:
        shoppers: whose candidates were looked at.
        told, happened: hits expected and hits counted, all candidates together.
        error: mean distance of told and happened over the bins, weighted by candidates (expected calibration error).
        brier: mean squared distance of each candidate's probability to what happened.
        brier_constant: the same if everybody were told the overall share.
    """

    shoppers: int
    told: float
    happened: float
    error: float
    brier: float
    brier_constant: float
    bins: tuple[Bin, ...]

    def table(self) -> str:
        """For a terminal."""
        lines = [
            f"{self.shoppers} shoppers: {self.told:.0f} hits expected, {self.happened:.0f} counted; "
            f"calibration error {self.error:.4f}; Brier {self.brier:.5f} (the same for everybody: "
            f"{self.brier_constant:.5f})",
            f"{'candidates':>12}{'told':>10}{'happened':>10}",
        ]
        return "\n".join([*lines, *(f"{b.pairs:12d}{b.told:10.4f}{b.happened:10.4f}" for b in self.bins)])


def reliability(told: Floats, happened: NDArray[np.bool_], shoppers: int, bins: int = BINS) -> Reliability:
    """Told probabilities against what happened, both `[pairs]`."""
    order = np.argsort(told, kind="stable")
    p, hit = told[order].astype(np.float64), happened[order].astype(np.float64)
    edges = np.searchsorted(np.cumsum(p), np.linspace(0, p.sum(), bins + 1)[1:-1])
    parts = [(a, b) for a, b in zip([0, *edges], [*edges, len(p)], strict=True) if b > a]
    found = tuple(Bin(int(b - a), float(p[a:b].mean()), float(hit[a:b].mean())) for a, b in parts)
    error = sum(each.pairs * abs(each.told - each.happened) for each in found) / max(len(p), 1)
    brier, share = float(np.mean((p - hit) ** 2)), float(hit.mean())
    return Reliability(shoppers, float(p.sum()), float(hit.sum()), error, brier, share * (1 - share), found)


def judge(settings: Settings, bundle: Bundle, snapshot: Snapshot, days: int, *, only_new: bool = False) -> Reliability:
    """All shoppers of a snapshot and their candidates.

    Raises:
        BadInput: the bundle tells no probabilities.
    """
    window = cuts.window(settings, snapshot.as_of, days)
    rows: Ints = np.arange(len(snapshot.users), dtype=np.int32)
    touched = Targets.matrix(snapshot, labels.touched(settings, window.first, window.last), rows)
    bounds = {"memory_mb": settings.scoring_memory_mb, "threads": settings.threads}
    ranked = bundle.score(snapshot, list(snapshot.users), only_new=only_new, **bounds)
    if not len(ranked) or np.isnan(ranked.probability).any():
        raise BadInput("the bundle tells no probabilities: it has no ranker, or its windows held too few hits")
    return reliability(
        ranked.probability, np.asarray(touched[ranked.user, ranked.item]).ravel() > 0, len(snapshot.users)
    )


def command(
    ds: Annotated[str, typer.Option("--ds", help="The last day that may be known, YYYY-MM-DD.")],
    bundle: Annotated[str, typer.Option("--bundle", help="Version, alias or folder.")] = "champion",
    only_new: Annotated[bool, typer.Option("--only-new", help="Lists of items never touched before.")] = False,
    path: Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")] = None,
) -> None:
    def work(settings: Settings) -> dict[str, Any]:
        day = parse_day(ds, "--ds")
        pinned, which = cuts.one(settings, day, bundle)
        days = int(pinned.manifest.get("window_days") or cuts.DAYS)
        told = judge(settings, pinned, Snapshot.load(settings, day), days, only_new=only_new)
        print(told.table())
        figures = {"ds": ds, "days": days, "bundle": which, "only_new": only_new, **asdict(told)}
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        return figures

    finish("models.probability_judged", work)


if __name__ == "__main__":
    typer.run(command)
