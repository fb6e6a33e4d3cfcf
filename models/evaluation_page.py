"""An evaluation as one page that needs nothing but a browser: what the figures say, and how sure they are."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from models import plots
from models.comparison import LIST_MEASURES, TARGETS, Evaluation
from models.metrics import Estimate, bootstrap
from models.plots import Dot
from models.rolling import Rolling
from models.segments_of_users import FEWEST_USERS, HISTORY, HOT_EVENTS, ITEM_CLASSES

TEMPLATES = Path(__file__).parent / "templates"
TARGET_NAMES = {"all": "everything the shopper took", "new": "items the shopper had never touched"}


def page(found: Rolling) -> str:
    """The page's HTML."""
    whole = found.cuts[0] if len(found.cuts) == 1 else found.pooled()
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    environment.filters["figure"] = _figure
    return environment.get_template("evaluation.html.j2").render(
        cuts=[{"cut": str(cut.cut), "window": str(cut.window), "users": len(cut.users)} for cut in found.cuts],
        shoppers=len(set(whole.users)),
        whole=whole,
        verdicts=_verdicts(whole),
        accuracy={target: _accuracy(whole, target) for target in TARGETS},
        target_names=TARGET_NAMES,
        by_cut=_by_cut(found),
        segments=_segments(whole),
        hits=_hits(whole),
        rankers=[_row(whole, name) for name in whole.judged],
        refused={name: each.refused for cut in found.cuts for name, each in cut.rankers.items() if each.refused},
        notes={f"{name}, cut {cut.cut}": _lines(note) for cut in found.cuts for name, note in cut.notes.items()},
        hot_events=HOT_EVENTS,
        fewest=FEWEST_USERS,
        item_classes=ITEM_CLASSES,
    )


def _verdicts(whole: Evaluation) -> list[dict[str, str]]:
    """One sentence a contender and target: how it stands against the best simple method."""
    found = []
    for name in whole.contenders:
        for target in TARGETS:
            best = whole.best_of(target)
            ratio = whole.ratio(name, best, f"{target}.ndcg")
            if not ratio.users:
                continue
            sure = "better" if ratio.low > 1 else "worse" if ratio.high < 1 else "even"
            hits = whole.rankers[name].estimate(f"{target}.hit_rate").mean
            found.append(
                {"name": name, "target": TARGET_NAMES[target], "sure": sure, "percent": f"{ratio.mean - 1:+.0%}"}
                | {"low": f"{ratio.low - 1:+.0%}", "high": f"{ratio.high - 1:+.0%}", "rival": best}
                | {"hits": f"{100 * hits:.0f}"}
            )
    return found


def _accuracy(whole: Evaluation, target: str) -> Markup:
    ranked = sorted(whole.judged, key=lambda name: -(_mean(whole, name, target)))
    dots = [
        Dot(name, whole.rankers[name].estimate(f"{target}.ndcg"), "rival" if name in whole.baselines else "ours")
        for name in ranked
    ]
    return Markup(plots.intervals(f"NDCG by ranker, {TARGET_NAMES[target]}", dots))


def _mean(whole: Evaluation, name: str, target: str) -> float:
    estimate = whole.rankers[name].estimate(f"{target}.ndcg")
    return estimate.mean if estimate.users else -1.0


def _by_cut(found: Rolling) -> Mapping[str, Markup]:
    """Contender -> its NDCG over the best baseline's on each cut; nothing for one cut."""
    if len(found.cuts) < 2:
        return {}
    whole, plotted = found.pooled(), {}
    for name in whole.contenders:
        for target in TARGETS:
            dots = [Dot(str(cut.cut), ratio) for cut, ratio in zip(found.cuts, found.ratios(name, target), strict=True)]
            dots.append(Dot("all cuts", whole.ratio(name, whole.best_of(target), f"{target}.ndcg"), "rival"))
            if all(dot.estimate.users for dot in dots):
                title = f"{name}, {TARGET_NAMES[target]}"
                plotted[title] = Markup(plots.intervals(f"Ratio to the best baseline by cut: {title}", dots, line=1.0))
    return plotted


def _segments(whole: Evaluation) -> list[dict[str, Any]]:
    found = []
    for name in whole.contenders or [whole.best_baseline]:
        target = "all" if "all.ndcg" in whole.rankers[name].values else "new"
        segments, worst = whole.by_segment(name, target), whole.worst_segment(name, target)
        if not segments:
            continue
        dots = [
            Dot(f"{each.dimension}: {each.name} ({each.users})", each.ndcg, "worst" if each == worst else "ours")
            for each in segments
        ]
        overall = whole.rankers[name].estimate(f"{target}.ndcg")
        svg = Markup(plots.intervals(f"NDCG by segment, {name}", dots, line=overall.mean))
        told = {"name": name, "target": TARGET_NAMES[target], "svg": svg, "overall": overall, "worst": worst}
        found.append(told | {"lost": worst is not None and worst.ndcg.high < overall.mean})
    return found


def _hits(whole: Evaluation) -> Markup:
    """Hits by place, of the first contender beside the best baseline."""
    names = [*[name for name in whole.contenders if whole.rankers[name].places.any()][:1], whole.best_baseline]
    counts = {name: whole.rankers[name].places.tolist() for name in names if whole.rankers[name].places.any()}
    return Markup(plots.bars("Hits by place", counts)) if counts else Markup("")


def _row(whole: Evaluation, name: str) -> dict[str, Any]:
    """One ranker's line of the tables."""
    measured = whole.rankers[name]
    target = "all" if "all.ndcg" in measured.values else "new"
    history, known = whole.segments.get(HISTORY), measured.values.get("all.ndcg")
    cohorts = {
        kind: bootstrap(known[history == kind])
        for kind in ("hot", "warm")
        if known is not None and history is not None and (history == kind).any()
    }
    return {
        "name": name,
        "kind": "rival" if name in whole.baselines else "ours",
        "figures": {key: measured.estimate(key) for key in ("all.recall", "all.ndcg", "new.recall", "new.ndcg")}
        | {key: measured.estimate(key) for key in ("all.mrr", "all.hit_rate", "gauc")},
        "lists": {each: measured.estimate(f"{target}.{each}").mean for each in LIST_MEASURES},
        "coverage": measured.numbers.get(f"{target}.coverage", float("nan")),
        "gini": measured.numbers.get(f"{target}.gini", float("nan")),
        "users": cohorts | ({"cold": bootstrap(measured.cold["all.ndcg"])} if measured.cold else {}),
        "items": {kind: measured.estimate(f"items.{kind}.recall") for kind in ITEM_CLASSES},
    }


def _figure(value: Any) -> str:
    if isinstance(value, Estimate):
        return str(value) if value.users else "–"
    return "–" if value != value else f"{value:.3f}"


def _lines(note: Any) -> list[str]:
    """What was tuned, a line a target; other notes as they are."""
    if not isinstance(note, Mapping):
        return [str(note)]
    told = ((target, ", ".join(f"{key} {value:.4g}" for key, value in each.items())) for target, each in note.items())
    return [f"{target}: {text}" for target, text in told]
