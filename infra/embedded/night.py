"""One night through Airflow: `features` for a day, then the runs that it wakes, until the lists stand."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from infra.embedded.airflow_api import Airflow, queued_since
from lake.clock import DayRange
from lake.errors import Unavailable

DAGS = ("features", "history", "monitoring", "training", "lists")
CHAIN = ("features", "monitoring", "lists")


@dataclass(frozen=True)
class Night:
    """What one night left behind: results of the jobs by task, and how long it took."""

    day: str
    seconds: float
    results: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """`land`, `day`, `judge`, `lists`, `publish`, and `train` if the models were trained."""


def load(airflow: Airflow, days: DayRange, chunk_days: int, reason: str, say: Callable[[str], None]) -> dict[str, int]:
    """A range of days through the `history` DAG.

    Returns:
        The summed counts of its chunks: `rows`, `quarantined`, `late`.

    Raises:
        RunFailed: a chunk failed; the message has its log.
    """
    conf = {"from": f"{days.first}", "to": f"{days.last}", "chunk_days": chunk_days, "reason": reason}
    chunks = len(days.chunks(chunk_days))
    run = airflow.trigger("history", conf=conf)
    airflow.wait("history", run, _with_eta(say, chunks), seconds=6 * 3600)
    found = [airflow.xcom("history", run, task, index) for task, index in _chunks(airflow, run)]
    return _summed([result for result in found if isinstance(result, Mapping)])


def run(airflow: Airflow, day: str, say: Callable[[str], None], seconds: float = 6 * 3600) -> Night:
    """Trigger `features` for a day and wait for `monitoring`, `training` (if it is woken) and `lists`.

    Raises:
        RunFailed: one of them failed.
        Unavailable: a DAG that should have been woken was not.
    """
    started, began = time.monotonic(), datetime.now(UTC)
    results: dict[str, Mapping[str, Any]] = {}
    for dag in CHAIN:
        if dag == "features":
            record = {"dag_run_id": airflow.trigger(dag, key=day)}
        else:
            record = _woken(airflow, dag, day, began)
        try:
            airflow.wait(dag, record["dag_run_id"], say, seconds)
        finally:
            trained = _trained(airflow, day, began, say) if dag == "monitoring" else None
        for task in ("land", "day", "judge", "lists", "publish"):
            if isinstance(found := airflow.xcom(dag, record["dag_run_id"], task), Mapping):
                results[task] = found
        if trained:
            results["train"] = trained
    return Night(day, time.monotonic() - started, results)


def failed_runs(airflow: Airflow, since: datetime) -> list[str]:
    """`dag run state` of every run queued since an instant that did not succeed."""
    return [
        f"{dag} {run['dag_run_id']} {run['state']}"
        for dag in DAGS
        for run in airflow.runs(dag)
        if queued_since(run, since) and run["state"] != "success"
    ]


def _with_eta(say: Callable[[str], None], chunks: int) -> Callable[[str], None]:
    """Adds to the line of each finished chunk how long those that are left will take at this pace."""
    started, done = time.monotonic(), 0

    def tell(line: str) -> None:
        nonlocal done
        if "chunk" in line and ": success" in line and chunks > 1:
            done += 1
            left = (time.monotonic() - started) / done * (chunks - done)
            line += f"; {done} of {chunks} chunks, about {left:.0f} s left"
        say(line)

    return tell


def _woken(airflow: Airflow, dag: str, day: str, since: datetime, seconds: float = 90) -> dict[str, Any]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if record := airflow.run_of_key(dag, day, since):
            return record
        time.sleep(0.5)
    raise Unavailable(
        f"{dag} was not woken for {day} within {seconds:.0f} s. Is it paused? See {airflow.url}/dags/{dag}; "
        f"the end of `var/logs/scheduler.log` may tell more."
    )


def _trained(airflow: Airflow, day: str, since: datetime, say: Callable[[str], None]) -> Mapping[str, Any] | None:
    """The result of the training that this night's verdict started; None if it started none."""
    for record in airflow.runs("training"):
        if queued_since(record, since) and (record.get("conf") or {}).get("ds") == day:
            airflow.wait("training", record["dag_run_id"], say)
            result = airflow.xcom("training", record["dag_run_id"], "train")
            return result if isinstance(result, Mapping) else {}
    return None


def _chunks(airflow: Airflow, run: str) -> list[tuple[str, int]]:
    tasks = airflow.tasks("history", run)
    return [(t["task_id"], t["map_index"]) for t in tasks if t["task_id"] in ("chunk", "last_chunk")]


def _summed(results: list[Mapping[str, Any]]) -> dict[str, int]:
    return {
        name: sum(int(r[name]) for r in results if isinstance(r.get(name), int))
        for name in ("rows", "quarantined", "late")
    }


def told(night: Night) -> str:
    """One line about a night, for a person."""
    day, judge, lists = (night.results.get(name, {}) for name in ("day", "judge", "lists"))
    trained = f"trained version {night.results['train'].get('version')}, " if "train" in night.results else ""
    return (
        f"{night.day}: {day.get('rows', '?')} rows, {day.get('quarantined', '?')} quarantined, "
        f"judged {judge.get('decision', '?')}, {trained}{lists.get('users', '?')} shoppers with lists, "
        f"{night.seconds:.0f} s"
    )
