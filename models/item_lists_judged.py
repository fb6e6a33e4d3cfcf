"""How good the lists of items are, beside what a shop would do without us.

`python -m models.item_lists_judged --ds D [--days N] [--truth truth.json] [--bundle B] [--json F]`. Complements are
judged on the baskets of the N days after D: an item is taken out of each, and the lists of the others must bring it
back. With the demo shop's truth, complements and similar items are also held against what was planted.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from scipy import sparse

from lake import storage
from lake.clock import parse_day, shift
from lake.columns import EVENT_TYPES
from lake.columns import Columns as C
from lake.command import finish
from lake.errors import BadInput
from lake.settings import Settings
from models import metrics
from models.bundle import Bundle
from models.candidates.baskets import baskets
from models.candidates.related import COMPLEMENT, SUBSTITUTE, Related, RelatedItems
from models.interface import Ints
from models.metrics import Estimate, Floats
from models.snapshot import Snapshot

K = 20
HELD = 3
"""Items taken out of a basket, one after the other, at most; seeded."""

FUSION = 10.0
"""Lists of a basket's items are added up as 1 / (FUSION + rank)."""

LARGEST_BASKET = 100
"""A longer basket is a wholesaler's order, no visit during which anything could be suggested."""

Lists = NDArray[np.int64]
"""`[items, K]` partners of each item, best first, padded with -1."""

OURS = {"complements": COMPLEMENT, "similar": SUBSTITUTE}


@dataclass(frozen=True)
class Judged:
    """Figures of one measure: name of the lists -> one figure a case, the same cases in the same order."""

    measure: str
    figures: Mapping[str, Floats]

    def line(self, width: int) -> str:
        cells = [str(metrics.bootstrap(values)) for values in self.figures.values()]
        return f"{self.measure:{width}}  " + "  ".join(f"{cell:>24}" for cell in cells)


def lists_of(related: Related, kind: int, items: int) -> Lists:
    """The partners of one kind as lists, for every item of the snapshot."""
    mine = related.take(related.kind == kind)
    place = np.arange(len(mine)) - np.searchsorted(mine.owner, mine.owner)
    found = np.full((items, K), metrics.PAD, np.int64)
    found[mine.owner[place < K], place[place < K]] = mine.item[place < K]
    return found


def baselines(snapshot: Snapshot) -> dict[str, Lists]:
    """What a shop does without us: what was most often in the same basket, or sells best.

    `seen together` counts sessions instead of purchases, `best of category` are its best-sellers.
    """
    log, items = snapshot.events, len(snapshot.items)
    bought = log.kind == EVENT_TYPES.index("purchase")
    bought = bought if bought.any() else np.ones(len(log), np.bool_)
    sold = np.bincount(log.item[bought], minlength=items)
    best = np.argsort(-sold, kind="stable")
    category = snapshot.catalogue.category
    of_category = np.full((items, K), metrics.PAD, np.int64)
    popular = of_category.copy()
    for item in range(items):
        others = best[best != item][:K]
        popular[item, : len(others)] = others
        alike = best[(category[best] == category[item]) & (best != item) & (category[item] >= 0)][:K]
        of_category[item, : len(alike)] = alike
    counted = {"bought together": baskets(snapshot, bought), "seen together": baskets(snapshot, np.ones_like(bought))}
    return {name: _most_common(matrix) for name, matrix in counted.items()} | {
        "popular": popular,
        "best of category": of_category,
    }


def _most_common(matrix: sparse.csr_matrix) -> Lists:
    items = matrix.shape[1]
    found, of_item = np.full((items, K), metrics.PAD, np.int64), matrix.T.tocsr()
    for start in range(0, items, 512):
        counts = np.asarray((of_item[start : start + 512] @ matrix).toarray())
        counts[np.arange(len(counts)), start + np.arange(len(counts))] = 0
        best = np.argsort(-counts, axis=1, kind="stable")[:, :K]
        held = np.take_along_axis(counts, best, axis=1) > 0
        found[start : start + 512, : best.shape[1]] = np.where(held, best, metrics.PAD)
    return found


def next_baskets(settings: Settings, snapshot: Snapshot, days: int) -> list[Ints]:
    """Known items of each basket with two or more of them, of the `days` days after the snapshot's."""
    first, last = shift(snapshot.as_of, 1).isoformat(), shift(snapshot.as_of, days).isoformat()
    columns = [C.SESSION_ID, C.USER_ID, C.ITEM_ID, C.EVENT_TYPE, C.DS]
    rows = storage.read(settings, "events", start=first, end=last, columns=columns).to_pylist()
    purchases = [row for row in rows if row[C.EVENT_TYPE] == "purchase"]
    found: dict[tuple[str, ...], set[int]] = {}
    for row, item in zip(kept := purchases or rows, snapshot.items_of([r[C.ITEM_ID] for r in kept]), strict=True):
        key = (row[C.SESSION_ID],) if row[C.SESSION_ID] else (row[C.USER_ID] or "", row[C.DS])
        if item >= 0 and (row[C.SESSION_ID] or row[C.USER_ID]):
            found.setdefault(key, set()).add(int(item))
    sized = (items for _, items in sorted(found.items()) if 2 <= len(items) <= LARGEST_BASKET)
    return [np.array(sorted(items), np.int32) for items in sized]


def held_out(lists: Mapping[str, Lists], taken: Sequence[Ints], seed: int = 0) -> list[Judged]:
    """Recall of items taken out of baskets, by the lists of the other items; a figure a basket.

    Every item of a basket brings its list; an item of the basket itself is no answer.
    """
    rng = np.random.default_rng(seed)
    drawn = [rng.permutation(len(basket))[:HELD] for basket in taken]
    results: dict[int, dict[str, Floats]] = {10: {}, 20: {}}
    for name, each in lists.items():
        weight = np.where(each >= 0, 1.0 / (FUSION + 1 + np.arange(each.shape[1])), 0.0)
        recall = {k: np.zeros(len(taken)) for k in results}
        for number, (basket, places) in enumerate(zip(taken, drawn, strict=True)):
            for place in places:
                others, score = np.delete(basket, place), np.zeros(len(each) + 1)
                np.add.at(score, each[others].ravel(), weight[others].ravel())
                score[others] = 0.0
                wanted = score[basket[place]]
                rank = int((score[:-1] > wanted).sum())
                for k in results:
                    recall[k][number] += (wanted > 0 and rank < k) / len(places)
        for k in results:
            results[k][name] = recall[k]
    return [Judged(f"next basket: recall@{k}", figures) for k, figures in results.items()]


def planted(
    lists: Mapping[str, Lists], snapshot: Snapshot, partners: Mapping[str, Sequence[str]], of: str
) -> list[Judged]:
    """Recall@10, precision of the first 10 (of what is listed; 0 for no list) and hit at rank 1, a figure an item.

    Args:
        partners: item -> planted partners; items that the snapshot does not know, or without stock, are left out.
    """
    stock = snapshot.catalogue.in_stock
    truth = {}
    for owner, names in partners.items():
        at, wanted = snapshot.items_of([owner])[0], snapshot.items_of(list(names))
        wanted = wanted[wanted >= 0]
        if at >= 0 and stock[at] and len(wanted):
            truth[int(at)] = wanted
    results: dict[str, dict[str, Floats]] = {"recall@10": {}, "precision@10": {}, "first is one": {}}
    for name, each in lists.items():
        hit = [np.isin(each[owner, :10], wanted) for owner, wanted in truth.items()]
        listed = [max(1, int((each[owner, :10] >= 0).sum())) for owner in truth]
        possible = [min(10, len(wanted)) for wanted in truth.values()]
        results["recall@10"][name] = np.array([h.sum() / n for h, n in zip(hit, possible, strict=True)])
        results["precision@10"][name] = np.array([h.sum() / n for h, n in zip(hit, listed, strict=True)])
        results["first is one"][name] = np.array([float(h[0]) for h in hit])
    return [Judged(f"planted {of}: {measure}", figures) for measure, figures in results.items()]


def run(settings: Settings, day: date, days: int, bundle: Bundle | None, truth: Path | None) -> list[Judged]:
    """All that can be judged; see the module.

    Raises:
        BadInput: neither baskets after the day nor a truth.
    """
    snapshot = Snapshot.load(settings, day)
    items = len(snapshot.items)
    everything = np.arange(items, dtype=np.int32)
    related = bundle.related(snapshot, list(snapshot.items), K) if bundle else RelatedItems(snapshot).of(everything, K)
    ours = {name: lists_of(related, kind, items) for name, kind in OURS.items()}
    simple = baselines(snapshot)
    well = {"complements": ours["complements"]} | {name: simple[name] for name in ("bought together", "popular")}
    judged = []
    taken = next_baskets(settings, snapshot, days)
    if taken:
        judged += held_out(well, taken)
    if truth is not None:
        facts = json.loads(truth.read_text(encoding="utf-8"))
        pairs: dict[str, list[str]] = {}
        for one, other in facts["complements"]:
            pairs.setdefault(one, []).append(other)
            pairs.setdefault(other, []).append(one)
        judged += planted(well | {"similar": ours["similar"]}, snapshot, pairs, "complements")
        alike = {"similar": ours["similar"]} | {name: simple[name] for name in ("seen together", "best of category")}
        judged += planted(alike | {"complements": ours["complements"]}, snapshot, facts["substitutes"], "substitutes")
    if not judged:
        raise BadInput(f"--ds {day}: no basket of two items in the {days} days after it; load them, or give --truth")
    return judged


def table(judged: Sequence[Judged]) -> str:
    """For a terminal: a block for each set of lists, means with 95 % intervals, and the cases behind them."""
    width, lines, heads = max(len(each.measure) for each in judged), [], None
    for each in judged:
        if (names := tuple(each.figures)) != heads:
            heads = names
            cases = len(next(iter(each.figures.values())))
            lines.append(f"{f'{cases} cases':{width}}  " + "  ".join(f"{name:>24}" for name in names))
        lines.append(each.line(width))
    return "\n".join(lines)


def _plain(estimate: Estimate) -> dict[str, float]:
    return {"mean": estimate.mean, "low": estimate.low, "high": estimate.high, "cases": estimate.users}


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(help=__doc__)
def main(
    ds: Annotated[str, typer.Option("--ds", help="The last day that the lists may know, YYYY-MM-DD.")],
    days: Annotated[int, typer.Option("--days", min=1, help="Days after it whose baskets are judged on.")] = 14,
    truth: Annotated[Path | None, typer.Option("--truth", help="truth.json of the demo shop's deliveries.")] = None,
    bundle: Annotated[
        str, typer.Option("--bundle", help="Version, alias or folder; none: by log and catalogue alone.")
    ] = "",
    as_json: Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")] = None,
) -> None:
    def work(settings: Settings) -> dict[str, Any]:
        from models.registry import Registry

        pinned = None
        if bundle:
            folder = Path(bundle)
            found = (bundle, folder) if folder.is_dir() else Registry(settings).resolve(bundle)
            if found is None:
                raise BadInput(f"--bundle {bundle}: neither a folder nor registered; leave it out to do without")
            pinned = Bundle.load(found[1])
        judged = run(settings, parse_day(ds), days, pinned, truth)
        print(table(judged))
        figures = {
            each.measure: {name: _plain(metrics.bootstrap(values)) for name, values in each.figures.items()}
            for each in judged
        }
        if as_json is not None:
            as_json.parent.mkdir(parents=True, exist_ok=True)
            as_json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        return {"ds": ds, "days": days, "bundle": bundle or None, "figures": figures}

    finish("models.item_lists_judged", work)


if __name__ == "__main__":
    app()
