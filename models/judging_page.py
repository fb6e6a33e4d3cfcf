"""A decision as a page that needs nothing but a browser: figures, thresholds, and the AUC over time."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from lake.settings import Settings

WIDTH, HEIGHT, MARGIN = 720, 220, 36
COLOURS = {"keep": "#2f7d4f", "retrain": "#b3361f", "bootstrap": "#2b5f9e"}
SHOWN_DAYS = 90

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 760px; margin: 2em auto; padding: 0 1em; color: #222; }
h1 { font-size: 1.4em; } h1 b { padding: .1em .5em; border-radius: .3em; color: white; }
table { border-collapse: collapse; margin: 1em 0; } td, th { padding: .25em .8em; text-align: left;
border-bottom: 1px solid #ddd; } td.n { text-align: right; font-variant-numeric: tabular-nums; }
svg { background: #fafafa; border: 1px solid #ddd; } .muted { color: #777; }
"""

LABELS = {
    "bundle": "champion",
    "trained_through": "trained through",
    "age_days": "age, days",
    "auc": "AUC, mean over shoppers",
    "reference_auc": "AUC that it is held against",
    "users": "shoppers judged",
    "days": "days pooled",
    "days_without_features": "days without features",
    "positives": "positive pairs",
    "items_unseen": "pairs of items new that day, left out",
    "users_unknown": "shoppers new that day, left out",
    "auc_by_day": "AUC by day",
    "cause": "cause",
    "lists_ds": "published lists of",
    "lists_age_days": "their age, days",
    "lists_users": "shoppers with a list",
    "lists_judged": "of them active on the day",
    "lists_ndcg20": "NDCG@20 of published lists",
    "lists_fallback_share": "active shoppers without a list",
    "drift_auc": "retrain below (upper bound of AUC)",
    "floor_auc": "floor",
    "drop": "relative drop allowed",
    "retrain_every_days": "retrain at age, days (0 = never)",
    "cooldown_days": "cool-down, days",
    "min_users": "fewest shoppers that decide",
}


def write(settings: Settings, row: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> Path:
    """Write VAR/reports/judging/<ds>.html and return its path.

    Args:
        row: the decision, as `models.decisions` reads it.
        history: decisions of judging up to that day, oldest first.
    """
    path = settings.var / "reports" / "judging" / f"{row['ds']}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(row, history), encoding="utf-8")
    return path


def page(row: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> str:
    """The page's HTML."""
    kind, colour = row["kind"], COLOURS.get(row["kind"], "#555")
    figures = {name: value for name, value in row["figures"].items() if value not in (None, [], {})}
    return "\n".join(
        [
            f"<!doctype html><html lang=en><meta charset=utf-8><title>Judging {row['ds']}: {kind}</title>",
            f"<style>{STYLE}</style>",
            f"<h1>{row['ds']} <b style='background:{colour}'>{kind}</b></h1>",
            f"<p>{escape(row['reason'])}</p>",
            chart(history),
            _table("Figures", figures, row["intervals"]),
            _table("Held against", row["thresholds"], {}),
            f"<p class=muted>decision {row['decision_id']}, {escape(row['run'])}, {row['decided_ts']:%Y-%m-%d %H:%M} "
            "UTC. Published lists are told, never a reason to retrain.</p></html>",
        ]
    )


def chart(history: Sequence[Mapping[str, Any]]) -> str:
    """AUC with its interval, a mark a judged day, and the line that it must not fall under, as SVG."""
    points = [row for row in history if row["figures"].get("auc") is not None and row["intervals"].get("auc")]
    if not points:
        return "<p class=muted>Nothing has been judged yet.</p>"
    lines = [row["thresholds"].get("drift_auc") for row in points]
    values = [value for row in points for value in row["intervals"]["auc"]] + [v for v in lines if v is not None]
    low, high = min(values) - 0.01, max(values) + 0.01

    def x(number: int) -> float:
        return MARGIN + (WIDTH - 2 * MARGIN) * (number + 0.5) / len(points)

    def y(value: float) -> float:
        return HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (value - low) / (high - low)

    marks = []
    for number, (row, line) in enumerate(zip(points, lines, strict=True)):
        bottom, top = row["intervals"]["auc"]
        colour = COLOURS.get(row["kind"], "#555")
        told = escape(f"{row['ds']} {row['kind']} AUC {row['figures']['auc']:.3f}")
        half = 0.4 * (WIDTH - 2 * MARGIN) / len(points)
        if line is not None:
            marks.append(
                f"<path d='M{x(number) - half:.1f} {y(line):.1f}h{2 * half:.1f}' stroke='#b3361f' stroke-dasharray=3 />"
            )
        marks.append(f"<path d='M{x(number):.1f} {y(bottom):.1f}V{y(top):.1f}' stroke='{colour}' stroke-width=1.5 />")
        marks.append(
            f"<circle cx='{x(number):.1f}' cy='{y(row['figures']['auc']):.1f}' r=3.5 fill='{colour}'>"
            f"<title>{told}</title></circle>"
        )
    first, last = points[0]["ds"], points[-1]["ds"]
    return (
        f"<svg role=img aria-label='AUC by day' width={WIDTH} height={HEIGHT} viewBox='0 0 {WIDTH} {HEIGHT}'>"
        f"{''.join(marks)}<g font-size=11 fill='#555'><text x=4 y={MARGIN}>{high:.2f}</text>"
        f"<text x=4 y={HEIGHT - MARGIN}>{low:.2f}</text><text x={MARGIN} y={HEIGHT - 8}>{first}</text>"
        f"<text x={WIDTH - MARGIN} y={HEIGHT - 8} text-anchor=end>{last}</text></g></svg>"
        "<p class=muted>AUC with its 95 % interval; dashed: the line it must not fall under. Red marks asked for "
        "training.</p>"
    )


def _table(title: str, values: Mapping[str, Any], intervals: Mapping[str, Sequence[float]]) -> str:
    rows = []
    for name, value in values.items():
        interval = intervals.get(name)
        span = f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else ""
        label = escape(LABELS.get(name, name))
        rows.append(f"<tr><td>{label}<td class=n>{escape(_shown(value))}<td class=muted>{span}</tr>")
    return f"<table><tr><th>{title}<th><th>95 % interval</tr>{''.join(rows)}</table>"


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(entry)}" for name, entry in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
