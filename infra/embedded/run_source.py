"""`make run SOURCE=... DATA=... FROM=... TO=...`: a real log through the same DAGs, from deliveries to lists.

The days FROM .. TO-1 go through the `history` DAG in chunks, then `features` runs for TO, which wakes `monitoring`,
`training` (there is no champion yet, or it is old) and `lists`. Started again it does only what changed.
"""

import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from infra.embedded import environment, night
from infra.embedded.airflow_api import RunFailed
from infra.embedded.commands import report, say, show
from infra.embedded.layout import HOME, StackSettings
from infra.embedded.lifecycle import Stack
from lake.clock import DayRange, shift
from lake.errors import BadInput
from lake.partitions import recorded
from lake.settings import Settings

MEASURES = (
    ("all.recall@20", "Recall@20"),
    ("all.ndcg@20", "NDCG@20"),
    ("new.recall@20", "never-bought Recall@20"),
    ("ratio_to_best_baseline", "NDCG to best baseline"),
)


class RunSettings(BaseSettings):
    """What to run. Every field is an environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, populate_by_name=True)

    source: str = ""
    data: str = ""
    first: str = Field("", alias="FROM")
    last: str = Field("", alias="TO")
    chunk_days: int = Field(120, ge=1, le=400, description="days of one chunk of history, one Spark start each")

    def days(self) -> DayRange:
        """FROM .. TO.

        Raises:
            BadInput: something is missing; the message is the command's form.
        """
        form = "make run SOURCE=sources/online_retail.yaml DATA=DIR FROM=2010-12-01 TO=2011-11-20"
        given = {"SOURCE": self.source, "DATA": self.data, "FROM": self.first, "TO": self.last}
        missing = [name for name, value in given.items() if not value]
        if missing:
            raise BadInput(f"{', '.join(missing)} not given; the form is: {form}")
        if not (HOME / self.source).is_file():
            raise BadInput(f"SOURCE={self.source}: no such file; the logs that ship are in sources/*.yaml")
        if "://" not in self.data and not (HOME / self.data).is_dir():
            raise BadInput(f"DATA={self.data}: no such folder; expected the folder (or s3:// prefix) of the deliveries")
        days = DayRange.parse(start=self.first, end=self.last)
        if len(days) < 2:
            raise BadInput(f"FROM={self.first} TO={self.last}: the last day is the first night, so two days are needed")
        return days


def main() -> None:
    """The whole run; exit code 0 only if every DAG run succeeded and the lists stand."""
    started, wanted = time.monotonic(), RunSettings()
    days = wanted.days()
    history = DayRange(days.first, shift(days.last, -1))
    stack = Stack(StackSettings(), say)
    handed = {"NIGHTSHELF_SCHEDULE": "none", **environment.given(os.environ)}
    show(stack.up(handed_over=handed), stack.layout)
    airflow, since = stack.airflow(), datetime.now(UTC)
    airflow.wait_for_dags(night.DAGS)

    chunks = len(history.chunks(wanted.chunk_days))
    say(f"\nloading {history} ({len(history)} days in {chunks} chunks) through the DAG `history`")
    night.load(airflow, history, wanted.chunk_days, f"make run {wanted.source}", _clocked(started))
    say(f"\nnight of {days.last}: features -> monitoring -> (training) -> lists")
    told = night.run(airflow, f"{days.last}", _clocked(started))
    say(night.told(told))
    _summary(Settings(var=stack.layout.var), days, told)
    failed = night.failed_runs(airflow, since)
    if told.results.get("train"):
        say("\n" + "\n".join(quality(told.results["train"].get("metrics") or {})) + "\n")
    say(f"the run took {time.monotonic() - started:.0f} s; look at a shopper with")
    say(f"  . {stack.layout.environment}; .venv/bin/python -m storefront.lookup SHOPPER --k 10")
    if failed:
        raise RunFailed("these DAG runs did not succeed: " + "; ".join(failed))


def _clocked(started: float) -> Callable[[str], None]:
    """Progress lines with the time since the start in front."""
    return lambda line: say(f"{time.monotonic() - started:6.0f} s {line}")


def _summary(settings: Settings, days: DayRange, told: night.Night) -> None:
    """What the lake holds of the days, whatever runs put it there, and who got lists."""
    rows, quarantined = (
        sum(n for day, (n, _) in recorded(settings, name).items() if days.first <= date.fromisoformat(day) <= days.last)
        for name in ("events", "quarantine")
    )
    lists = told.results.get("lists", {})
    say(f"\nevents         {rows}")
    say(f"quarantined    {quarantined}")
    say(f"users, lists   {lists.get('users', '?')}")
    say(f"bundle         {lists.get('bundle', '?')}")


def quality(metrics: Mapping[str, Any]) -> list[str]:
    """Lines of the figures that training measured on days which the judged models had not seen; none if it could not.

    Args:
        metrics: of the training's result: `rankers` by name, each with figures of `mean`, `low` and `high`.
    """
    if "rankers" not in metrics:
        return [f"quality was not measured: {metrics.get('not_evaluated', 'no models were trained')}"]
    lines = [
        f"quality on {metrics['first']}..{metrics['last']}, held out in training: {metrics['users']} users, "
        f"means with 95 % intervals",
        f"  {'':12}" + "".join(f"{head:>24}" for _, head in MEASURES),
    ]
    for name, figures in metrics["rankers"].items():
        cells = [figures.get(key) or {} for key, _ in MEASURES]
        lines.append(f"  {name:12}" + "".join(f"{_interval(cell):>24}" for cell in cells))
    return lines


def _interval(cell: Mapping[str, float | None]) -> str:
    mean, low, high = (cell.get(part) for part in ("mean", "low", "high"))
    return "-" if mean is None else f"{mean:.3f} [{low:.3f}, {high:.3f}]"


if __name__ == "__main__":
    report(main)
