"""What each candidate source brings: `python -m models.candidates_judged --ds D [--days N] [--bundle B] [--json F]`.

For the shoppers of an evaluation (see `models.evaluation`) it tells, source by source, whom and what it proposes, how
many of the items touched in the window are among the candidates that are ranked, how many of those no other source
proposes, what the source's own order would be worth, and how much of the final first places it proposed. A source
without a contribution of its own can be switched off (`sources` of the training's configuration).
"""

import json
from collections.abc import Mapping
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
from models import cuts, labels, metrics
from models.bundle import Bundle
from models.comparison import K
from models.interface import SOURCES
from models.measuring import judged_users
from models.snapshot import Snapshot
from models.targets import Targets


@dataclass(frozen=True)
class SourceFigures:
    """One source on one window; shares are of 1.

    Attributes:
        shoppers: share of shoppers to whom it proposes anything.
        catalogue: share of the catalogue that it proposes to somebody.
        candidates: share of the ranked candidates that it proposed.
        recall: share of a shopper's targets among its ranked candidates, mean over shoppers.
        unique: the same for targets that no other source proposed.
        ndcg: NDCG@20 of its own order, without any ranker.
        first_places: share of the first 20 places that it proposed.
    """

    shoppers: float
    catalogue: float
    candidates: float
    recall: float
    unique: float
    ndcg: float
    first_places: float


@dataclass(frozen=True)
class CandidateFigures:
    """All sources together, and each of them.

    Attributes:
        users: shoppers judged.
        count: candidates a shopper that are ranked, at most.
        recall: share of a shopper's targets among the candidates, mean over shoppers.
        ndcg: NDCG@20 of the ranker's order.
    """

    users: int
    count: int
    recall: float
    ndcg: float
    sources: Mapping[str, SourceFigures]

    def table(self) -> str:
        """For a terminal: one line a source."""
        heads = list(SourceFigures.__dataclass_fields__)
        lines = [
            f"{self.users} shoppers; recall@{self.count} of all sources together {self.recall:.3f}; "
            f"NDCG@{K} of the ranker {self.ndcg:.3f}",
            f"{'':14}" + "".join(f"{name:>14}" for name in heads),
        ]
        for name, figures in self.sources.items():
            lines.append(f"{name:14}" + "".join(f"{getattr(figures, head):14.3f}" for head in heads))
        return "\n".join(lines)


def judge(
    bundle: Bundle, snapshot: Snapshot, truth: Mapping[str, set[str]], *, only_new: bool = False, memory_mb: int = 1024
) -> CandidateFigures:
    """Figures of a bundle's sources.

    Args:
        snapshot: as of the cut.
        truth: user id -> items touched after it.
        only_new: judge lists of items that the shopper never touched.

    Raises:
        BadInput: nobody is known at the cut and has something in the truth.
    """
    users, _ = judged_users(snapshot, truth)
    targets = Targets.of(snapshot, truth, users)
    part = targets.part("new" if only_new else "all")
    sizes = metrics.truth_sizes(len(users), targets.user[part], targets.item[part])
    if not sizes.any():
        raise BadInput(f"no shopper known on {snapshot.as_of} has anything to be judged by; give another window")
    ranked = bundle.score(snapshot, users, only_new=only_new, memory_mb=memory_mb)
    # Targets unknown at the cut are numbered past the catalogue.
    span = max(len(snapshot.items), int(targets.item.max(initial=0)) + 1)
    hit = np.isin(ranked.user.astype(np.int64) * span + ranked.item, targets.user[part] * span + targets.item[part])
    place = np.arange(len(ranked)) - np.searchsorted(ranked.user, ranked.user)
    proposed = ranked.sources_rank > 0
    alone = proposed & (proposed.sum(axis=1) == 1)[:, None]

    def found(rows: NDArray[np.bool_]) -> float:
        counted = np.bincount(ranked.user, rows & hit, len(users))[sizes > 0]
        return float((counted / sizes[sizes > 0]).mean())

    def ndcg(order: NDArray[Any], rows: NDArray[np.bool_]) -> float:
        lists = np.full((len(users), K), metrics.PAD, np.int64)
        first = rows & (order < K)
        lists[ranked.user[first], order[first]] = ranked.item[first]
        hits = metrics.hits(lists, targets.user[part], targets.item[part])
        return float(np.nanmean(metrics.ndcg(hits, sizes, K)))

    sources: dict[str, SourceFigures] = {}
    for position, name in enumerate(SOURCES):
        mine = proposed[:, position]
        if name not in bundle.config.sources:
            continue
        sources[name] = SourceFigures(
            shoppers=len(np.unique(ranked.user[mine])) / len(users),
            catalogue=len(np.unique(ranked.item[mine])) / max(len(snapshot.items), 1),
            candidates=float(mine.mean()) if len(mine) else 0.0,
            recall=found(mine),
            unique=found(alone[:, position]),
            ndcg=ndcg(ranked.sources_rank[:, position].astype(np.int64) - 1, mine),
            first_places=float(mine[place < K].mean()) if len(mine) else 0.0,
        )
    everything = np.ones(len(ranked), np.bool_)
    count = bundle.config.candidates
    return CandidateFigures(int((sizes > 0).sum()), count, found(everything), ndcg(place, everything), sources)


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(help=__doc__)
def main(
    ds: Annotated[str, typer.Option("--ds", help="The cut: last day that the sources may know, YYYY-MM-DD.")],
    days: Annotated[int, typer.Option("--days", min=1, help="Length of the window after it.")] = cuts.DAYS,
    bundle: Annotated[str, typer.Option("--bundle", help="Version, alias or folder.")] = "champion",
    only_new: Annotated[bool, typer.Option("--only-new", help="Lists of items never touched before.")] = False,
    as_json: Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")] = None,
) -> None:
    def work(settings: Settings) -> dict[str, Any]:
        day = parse_day(ds)
        window = cuts.window(settings, day, days)
        pinned, which = cuts.one(settings, day, bundle)
        truth = labels.touched(settings, window.first, window.last)
        bound = settings.scoring_memory_mb
        told = judge(pinned, Snapshot.load(settings, day), truth, only_new=only_new, memory_mb=bound)
        print(told.table())
        figures = asdict(told)
        if as_json is not None:
            as_json.parent.mkdir(parents=True, exist_ok=True)
            as_json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        return {"ds": ds, "window": str(window), "bundle": which, "only_new": only_new, **figures}

    finish("models.candidates_judged", work)


if __name__ == "__main__":
    app()
