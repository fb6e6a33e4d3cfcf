"""Checks and their figures as a Great Expectations suite, run on one small row a day."""

import html
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lake.settings import Settings
from validation import data_docs
from validation.checks import Check
from validation.metrics import Figures

SEVERITY = {"fail": "critical", "warn": "warning"}


@dataclass(frozen=True)
class Verdict:
    """Names of the checks that were breached, and the page that shows all of them."""

    breached: frozenset[str]
    page: str


def judge(name: str, checks: Sequence[Check], figures: Figures, settings: Settings) -> Verdict:
    """Let Great Expectations hold every check's figures against its bounds, and publish the result.

    Raises:
        RuntimeError: an expectation could not be evaluated: a fault of the suite, not of the data.
    """
    with data_docs.turn(settings):
        project = data_docs.project(settings)
        import great_expectations as gx
        import pandas as pd
        from great_expectations.core.run_identifier import RunIdentifier

        days = sorted(figures.rows)
        frame = pd.DataFrame({"ds": days})
        metrics = {_shown(check.name): [figures.values[check.name].get(day) for day in days] for check in checks}
        frame = pd.concat([frame, pd.DataFrame(metrics, dtype="float64")], axis=1)
        context = gx.get_context(project_config=project, mode="ephemeral")
        suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=[_expectation(c) for c in checks]))
        asset = context.data_sources.add_pandas("lake").add_dataframe_asset(name)
        data = asset.add_batch_definition_whole_dataframe("days")
        definition = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=data, suite=suite))
        span = days[0] if len(days) == 1 else f"{days[0]}_{days[-1]}"
        run = RunIdentifier(run_name=f"{span}_{os.getpid()}", run_time=datetime.now(UTC))
        result = definition.run(batch_parameters={"dataframe": frame}, result_format="SUMMARY", run_id=run)
        page = data_docs.publish(context, name, run, f"lake-{name}", settings)
    return Verdict(frozenset(_breached(each) for each in result.results if not each.success), page)


def _expectation(check: Check) -> Any:
    import great_expectations.expectations as gxe

    told = f"{check.rule}: {_bounds(check)}"
    common = {
        "column": _shown(check.name),
        "min_value": check.low,
        "max_value": check.high,
        "severity": SEVERITY[check.severity],
        "description": _shown(f"{told} - {check.note}" if check.note else told).replace("$", "$$"),
        "meta": {"check": check.name},
    }
    # A sum over the days where days add up; day by day, with unknown days left out, where they do not.
    return (gxe.ExpectColumnSumToBeBetween if check.counts else gxe.ExpectColumnValuesToBeBetween)(**common)


def _shown(text: str) -> str:
    """Text for a page. Great Expectations puts names into it as they are, and a name can hold a shop's value."""
    return html.escape(text, quote=False)


def _bounds(check: Check) -> str:
    if check.counts:
        return "no offending row or group" if check.high == 0 else f"at most {check.high:g} offending"
    low, high = (f"{bound:g}" if bound is not None else None for bound in (check.low, check.high))
    return (
        f"from {low} to {high} a day" if low and high else f"at least {low} a day" if low else f"at most {high} a day"
    )


def _breached(result: Any) -> str:
    info = result.exception_info or {}
    broken = [info] if "raised_exception" in info else list(info.values())
    message = next((each["exception_message"] for each in broken if each.get("raised_exception")), None)
    name = str(result.expectation_config.meta["check"])
    if message:
        raise RuntimeError(f"the check {name!r} could not be evaluated: {message}")
    return name
