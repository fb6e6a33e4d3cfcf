"""An evaluation as text for a terminal."""

from collections.abc import Callable, Sequence

from models.comparison import LIST_MEASURES, TARGETS, Evaluation
from models.metrics import Estimate, bootstrap
from models.rolling import Rolling
from models.segments_of_users import HISTORY, HOT_EVENTS, ITEM_CLASSES

Row = tuple[str, Sequence[str]]


def table(found: Evaluation) -> str:
    """Means with 95 % intervals, one line a ranker; ratios; and, where they were measured, lists and groups."""
    parts = [_head(found), accuracy(found), _ratios(found)]
    if found.segments:
        parts += [_lists(found), _cohorts(found), _segments(found)]
    return "\n".join(part for part in parts if part)


def rolling_table(rolling: Rolling) -> str:
    """The table of each cut, then all of them together."""
    pooled = rolling.pooled()
    days = ", ".join(str(cut.cut) for cut in rolling.cuts)
    lines = [f"all cuts together ({days}): {len(pooled.users)} users, a shopper of several cuts drawn as one"]
    lines += [accuracy(pooled), ""]
    for target in TARGETS:
        rows = []
        for name in pooled.contenders:
            ratios = rolling.ratios(name, target)
            if not all(each.users for each in ratios):
                continue
            means = [each.mean for each in ratios]
            whole = pooled.ratio(name, pooled.best_of(target), f"{target}.ndcg")
            cells = [*map(str, ratios), f"{sum(means) / len(means):.3f}", f"{min(means):.3f}", str(whole)]
            rows.append((name, cells))
        if rows:
            heads = [*(f"cut {cut.cut}" for cut in rolling.cuts), "mean", "lowest", "pooled"]
            lines.append(_grid(f"{_NAMES[target]}NDCG@{pooled.k} / best baseline", heads, rows))
    if pooled.segments:
        lines += ["", _segments(pooled)]
    return "\n\n".join([*map(table, rolling.cuts), "\n".join(lines)])


_NAMES = {"all": "", "new": "new "}


def accuracy(found: Evaluation) -> str:
    """One line a ranker: recall, NDCG, MRR, hit rate, GAUC, coverage."""
    heads = {
        "all.recall": f"Recall@{found.k}",
        "all.ndcg": f"NDCG@{found.k}",
        "new.recall": f"new Recall@{found.k}",
        "new.ndcg": f"new NDCG@{found.k}",
        "all.mrr": "MRR",
        "all.hit_rate": "HitRate",
        "gauc": "GAUC",
    }
    rows: list[Row] = []
    for name, measured in found.rankers.items():
        if measured.refused:
            rows.append((name, [f"not judged: {measured.refused}"]))
            continue
        shown = measured.numbers.get("all.coverage", measured.numbers.get("new.coverage"))
        cells = [_cell(measured.estimate(key)) for key in heads]
        rows.append((name, [*cells, "-" if shown is None else f"{shown:.1%}"]))
    return _grid("", [*heads.values(), "coverage"], rows)


def _head(found: Evaluation) -> str:
    notes = [f"{name}: {note}" for name, note in found.notes.items() if isinstance(note, str)]
    head = (
        f"cut {found.cut}, window {found.window}: {len(found.users)} users, {found.targets[0]:.1f} true items a user, "
        f"{found.targets[1]:.0%} of them never touched before"
    )
    return "\n".join([head, *notes])


def _ratios(found: Evaluation) -> str:
    lines = []
    for name in found.contenders:
        for target in TARGETS:
            best = found.best_of(target)
            if (ratio := found.ratio(name, best, f"{target}.ndcg")).users:
                lines.append(f"{name} / {best}, {_NAMES[target]}NDCG@{found.k}: {ratio}")
    return "\n".join(lines)


def _lists(found: Evaluation) -> str:
    """What the lists are like."""

    def cells(name: str) -> list[str]:
        measured = found.rankers[name]
        target = "all" if "all.novelty" in measured.values else "new"
        means = [measured.estimate(f"{target}.{each}").mean for each in LIST_MEASURES]
        numbers = measured.numbers
        return [
            f"{means[0]:.2f}",
            f"{means[1]:.3f}",
            f"{means[2]:.1%}",
            f"{numbers[f'{target}.gini']:.3f}",
            f"{numbers['auc']:.3f}" if "auc" in numbers else "-",
        ]

    heads = ["novelty, bits", f"diversity ({found.alike})", "new items", "Gini", "AUC"]
    return _block(found, "lists", heads, cells)


def _cohorts(found: Evaluation) -> str:
    """Hot, warm and cold: shoppers by NDCG, items by recall."""
    history = found.segments[HISTORY]
    kinds = [kind for kind in ("hot", "warm") if (history == kind).any()]

    def cells(name: str) -> list[str]:
        measured = found.rankers[name]
        known = measured.values.get("all.ndcg")
        users = ["-" if known is None else _cell(bootstrap(known[history == kind])) for kind in kinds]
        cold = [_cell(bootstrap(measured.cold["all.ndcg"])) if measured.cold else "-"]
        return users + cold + [_cell(measured.estimate(f"items.{kind}.recall")) for kind in ITEM_CLASSES]

    strangers = max((len(each.cold["all.ndcg"]) for each in found.rankers.values() if each.cold), default=0)
    heads = [f"{kind} users ({int((history == kind).sum())})" for kind in kinds] + [f"cold users ({strangers})"]
    heads += [f"{kind} items" for kind in ITEM_CLASSES]
    title = f"NDCG@{found.k} of users, Recall@{found.k} of items; hot = {HOT_EVENTS} events or more before the cut"
    return f"{title}\n{_block(found, '', heads, cells)}"


def _segments(found: Evaluation) -> str:
    """Each contender by group of shoppers, the worst group named."""
    lines = []
    for name in found.contenders:
        target = "all" if "all.ndcg" in found.rankers[name].values else "new"
        segments = [each for each in found.by_segment(name, target) if each.dimension != HISTORY]
        worst = found.worst_segment(name, target)
        rows: list[Row] = [(f"{s.dimension}: {s.name}", [str(s.users), str(s.ndcg), _cell(s.ratio)]) for s in segments]
        if rows:
            lines.append(_grid(name, ["users", f"{_NAMES[target]}NDCG@{found.k}", "/ best baseline"], rows))
        if worst is not None:
            figure = f"{_NAMES[target]}NDCG@{found.k} {worst.ndcg}"
            lines.append(f"worst segment of {name}: {worst.dimension} {worst.name}, {figure}")
    return "\n".join(lines)


def _block(found: Evaluation, title: str, heads: Sequence[str], cells: Callable[[str], list[str]]) -> str:
    return _grid(title, heads, [(name, cells(name)) for name in found.judged])


def _cell(estimate: Estimate) -> str:
    return str(estimate) if estimate.users else "-"


def _grid(title: str, heads: Sequence[str], rows: Sequence[Row]) -> str:
    """Aligned columns; a row of one cell is a remark and may be of any length."""
    left = max([8, len(title), *(len(name) for name, _ in rows)])
    full = [cells for _, cells in rows if len(cells) == len(heads)]
    widths = [max(len(head), *(len(cells[n]) for cells in full), 8) if full else 8 for n, head in enumerate(heads)]
    lines = [f"{title:{left}}  " + "  ".join(f"{head:>{w}}" for head, w in zip(heads, widths, strict=True))]
    for name, cells in rows:
        shown = zip(cells, widths, strict=True) if len(cells) == len(heads) else [(cells[0], 0)]
        lines.append(f"{name:{left}}  " + "  ".join(f"{cell:>{width}}" for cell, width in shown))
    return "\n".join(lines)
