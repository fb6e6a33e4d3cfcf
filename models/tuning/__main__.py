"""Searches for better settings of the models and prints those that a training should take.

`python -m models.tuning --ds D [--minutes 30] [--trials N] [--study NAME] [--stage two_tower|ranker|both] [--json F]`;
the same command again goes on. It uses the days up to `--ds` and no later one, and says what it gained on days that it
did not search on. `--plan` only prints the days whose features the search and a training after it need; with
`--minutes 0`, those of the training alone.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from lake.clock import parse_day
from lake.command import finish
from lake.settings import Settings
from models.config import TrainingConfig
from models.tuning.days import plan

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(help=__doc__)
def main(
    ds: Annotated[str, typer.Option("--ds", help="The last day that may be known, YYYY-MM-DD.")],
    config: Annotated[str, typer.Option("--config", help="JSON object of settings that are given, not searched.")] = "",
    minutes: Annotated[float, typer.Option("--minutes", help="How long, all included.")] = 30.0,
    trials: Annotated[int | None, typer.Option("--trials", help="Counted trials of a stage at most.")] = None,
    study: Annotated[str, typer.Option("--study", help="Name below VAR/tuning; default by day and space.")] = "",
    stage: Annotated[str, typer.Option("--stage", help="two_tower, ranker or both.")] = "both",
    as_json: Annotated[Path | None, typer.Option("--json", help="Also write the settings here, for --config.")] = None,
    only_plan: Annotated[bool, typer.Option("--plan", help="Only print the days whose features are needed.")] = False,
) -> None:
    def work(settings: Settings) -> Mapping[str, Any]:
        day, given = parse_day(ds, "--ds"), TrainingConfig.parse(config)
        if only_plan:
            return plan(settings, day, given, minutes)
        from models.tuning.search import run

        result = run(settings, day, given, minutes=minutes, stage=stage, trials=trials, study=study)
        if as_json is not None:
            as_json.parent.mkdir(parents=True, exist_ok=True)
            as_json.write_text(json.dumps(result["config"], indent=2) + "\n", encoding="utf-8")
        return result

    finish("models.tuning", work)


if __name__ == "__main__":
    app()
