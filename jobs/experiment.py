"""What an experiment did: `python -m jobs.experiment --surface home --from A --to B [--json F] [--html F]`.

Reads the tables `impressions` and `events`, holds every arm against the control, prints a table and keeps the result
in the table `experiments`, from which the KPI page is served (`jobs.experiment_web`). The same page stands in
VAR/reports/experiments, where Airflow's UI shows it.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from jobs.cli import From, To
from lake.clock import DayRange
from lake.command import finish
from lake.errors import BadInput
from lake.settings import Settings
from models import experiment_page, experiment_results
from models.experiment_analysis import Bounds, analyse, finite
from models.experiment_page import change, figure, probability
from storefront.contract import DEFAULT_SURFACE, BadExperiment, Experiment

log = logging.getLogger("nightshelf.experiment")


def run(
    settings: Settings,
    surface: str,
    days: DayRange,
    *,
    experiment: str | None = None,
    bounds: Bounds | None = None,
    as_json: Path | None = None,
    html: Path | None = None,
) -> dict[str, Any]:
    """Analyse, print, keep and write; returns the verdict and every comparison's ratio.

    Args:
        experiment: JSON as in Redis; default what the publication noted.

    Raises:
        BadInput: see `models.experiment_analysis.analyse`.
    """
    try:
        given = Experiment.read(experiment) if experiment else None
    except BadExperiment as error:
        raise BadInput(f"--experiment: {error}") from error
    result = finite(analyse(settings, surface, days, given, bounds))
    print("\n".join(table(result)))
    experiment_results.keep(settings, result)
    if as_json is not None:
        as_json.write_text(json.dumps(result, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    report = settings.var / "reports" / "experiments" / f"{surface}-{days.first}-{days.last}.html"
    report.parent.mkdir(parents=True, exist_ok=True)
    for path in (report, html):
        if path is not None:
            path.write_text(experiment_page.page(result), encoding="utf-8")
    ratios = {f"{each['arm']}.{each['metric']}": each["ratio"] for each in result["comparisons"]}
    return {"experiment": result["experiment"]["name"], **result["verdict"], "ratios": ratios}


def table(result: Mapping[str, Any]) -> Iterator[str]:
    """The result as lines for a terminal."""
    name, users = result["experiment"]["name"], result["users"]
    window = f"{result['from']} to {result['to']}"
    yield f"experiment {name} on {result['surface']}, {window}: {users['analysed']:,} shoppers"
    for arm, each in result["arms"].items():
        yield (
            f"  {arm}: {each['users']:,} shoppers ({result['sample_ratio']['shares'][arm]:.1%} wanted), "
            f"{each['lists']:,.0f} lists, {each['clicks']:,.0f} clicks, {each['orders']:,.0f} orders"
        )
    yield (
        f"  left out: {users['two_arms']} in two arms, {users['unknown_arm']} in none of these; in another arm than "
        f"their own: {users['misassigned']}; sample ratio p = {probability(result['sample_ratio']['p'])}"
    )
    trusted = "nothing speaks against the figures" if result["verdict"]["trust"] else "DO NOT TRUST"
    yield f"  verdict: {'; '.join([trusted, *result['verdict']['reasons']])}"
    yield ""
    heads = ("arm", "figure", "control", "arm has", "change", "95 % interval", "p", "p Holm", "findable", "power")
    layout = "{:<12} {:<38} {:>10} {:>10} {:>9} {:>22} {:>8} {:>8} {:>9} {:>6}"
    yield layout.format(*heads)
    for each in result["comparisons"]:
        findable = "–" if each["mde_relative"] is None else f"{100 * each['mde_relative']:.1f} %"
        power = "–" if each["power"] is None else f"{100 * each['power']:.0f} %"
        yield layout.format(
            each["arm"],
            result["titles"][each["metric"]],
            figure(each["metric"], each["control"]),
            figure(each["metric"], each["treatment"]),
            change(each["ratio"][0]),
            f"{change(each['ratio'][1])} to {change(each['ratio'][2])}",
            probability(each["p"]),
            probability(each["p_holm"]),
            findable,
            power,
        )
    yield ""
    for each in result["guardrails"]:
        yield f"  {each['state']:<8} {each['arm']}: {each['rule']}"
    yield f"  {result['method']}"


def main(
    start: From = None,
    end: To = None,
    surface: Annotated[str, typer.Option(help="Surface that the experiment ran on.")] = DEFAULT_SURFACE,
    experiment: Annotated[
        str | None, typer.Option(help="JSON with name, salt and arms; default what was published.")
    ] = None,
    revenue_drop: Annotated[float, typer.Option(help="Guardrail: relative loss of revenue a shopper.")] = 0.02,
    share_rise: Annotated[float, typer.Option(help="Guardrail: rise of the share of fallback or stale lists.")] = 0.01,
    expected: Annotated[float, typer.Option(help="Relative change whose power is told.")] = 0.05,
    as_json: Annotated[Path | None, typer.Option("--json", help="Write everything there.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write the KPI page there too.")] = None,
) -> None:
    """Hold every arm of an experiment against its control."""
    bounds = Bounds(revenue_drop, share_rise, expected)

    def work(settings: Settings) -> dict[str, Any]:
        days = DayRange.parse(start=start, end=end)
        return run(settings, surface, days, experiment=experiment, bounds=bounds, as_json=as_json, html=html)

    finish("jobs.experiment", work)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(main)
    app()
