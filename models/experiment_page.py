"""The KPI page of an experiment: one file that needs nothing but a browser, made from a kept result."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from models import plots
from models.metrics import Estimate
from models.plots import Dot
from storefront.contract import CONTROL

TEMPLATES = Path(__file__).parent / "templates"
PERCENT = {"ctr", "ctr_user", "conversion", "repeat_rate", "fallback_share", "stale_share"}
COUNTS = ("lists", "shown", "clicks", "orders", "revenue")


def page(result: Mapping[str, Any]) -> str:
    """The page of one result, as `models.experiment_results` keeps it."""
    arms = list(result["experiment"]["arms"])
    return (
        _environment()
        .get_template("experiment.html.j2")
        .render(
            result=result,
            arms=arms,
            everyone=[CONTROL, *arms],
            counts=COUNTS,
            verdicts={arm: _verdict(result, arm) for arm in arms},
            plots={arm: _plot(result, arm) for arm in arms},
            comparisons={arm: [each for each in result["comparisons"] if each["arm"] == arm] for arm in arms},
            days=_days(result["by_day"]),
        )
    )


def index(rows: Iterable[Mapping[str, Any]]) -> str:
    """The page that lists all results; links lead to `<surface>/<experiment>/<from>/<to>` below it."""
    return _environment().get_template("experiments.html.j2").render(rows=list(rows))


def figure(metric: str, value: float | None) -> str:
    """A metric's value for a person."""
    if value is None or value != value:
        return "–"
    return f"{value:.2%}" if metric in PERCENT else f"{value:,.3f}"


def change(value: float | None) -> str:
    """A ratio as a change: 1.05 is +5.0 %."""
    return "–" if value is None or value != value else f"{100 * (value - 1):+.1f} %"


def probability(value: float | None) -> str:
    if value is None or value != value:
        return "–"
    return "<0.0001" if value < 1e-4 else f"{value:.4f}"


def is_better(comparison: Mapping[str, Any]) -> bool | None:
    """Whether the arm has more than the control; None where the interval holds no difference."""
    _, low, high = comparison["difference"]
    if low is None or high is None or low <= 0 <= high:
        return None
    return bool(low > 0)


def _environment() -> Environment:
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    environment.filters |= {"change": change, "probability": probability, "is_better": is_better}
    environment.globals["figure"] = figure
    return environment


def _verdict(result: Mapping[str, Any], arm: str) -> dict[str, Sequence[str]]:
    """What an arm changed for certain, its number of questions allowed for."""
    told: dict[str, list[str]] = {"better": [], "worse": []}
    for each in result["comparisons"]:
        better = is_better(each)
        if each["arm"] == arm and each["p_holm"] is not None and each["p_holm"] < 0.05 and better is not None:
            told["better" if better else "worse"].append(
                f"{result['titles'][each['metric']]} {change(each['ratio'][0])}"
            )
    return dict(told)


def _plot(result: Mapping[str, Any], arm: str) -> Markup:
    """Every metric's ratio to the control with its interval."""
    dots = []
    for each in result["comparisons"]:
        value, low, high = each["ratio"]
        if each["arm"] == arm and None not in (value, low, high):
            better = is_better(each)
            kind = "rival" if better is None else "ours" if better else "worst"
            title = result["titles"][each["metric"]]
            dots.append(Dot(title, Estimate(value, low, high, result["arms"][arm]["users"]), kind))
    return Markup(plots.intervals(f"{arm} against the control", dots, line=1.0))


def _days(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, dict[str, Mapping[str, Any]]]]:
    """Day -> arm -> what was counted on it."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["ds"], {})[row["arm"]] = row
    return sorted(found.items())
