"""A small client of Airflow's REST API v2: trigger by partition key or form, wait with progress, tell what failed."""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import requests

from lake.errors import BadInput, NightshelfError, Unavailable

POOLS = {"spark": 1, "train": 1, "redis": 1}
FINAL = ("success", "failed")
RETRYABLE = (429, 500, 502, 503, 504)


class RunFailed(NightshelfError):
    """A DAG run ended in failure; the message has the ends of the failed tasks' logs."""


class Airflow:
    """One Airflow, logged in at the first call and again when the token has expired."""

    def __init__(self, url: str, user: str, password: str, timeout: float = 30) -> None:
        self.url, self._user, self._password, self._timeout = url.rstrip("/"), user, password, timeout
        self._http = requests.Session()

    def call(self, method: str, path: str, body: Any = None, **query: object) -> Any:
        """One request under `/api/v2`; the decoded answer.

        Raises:
            BadInput: Airflow refused the request; the message has its reason.
            Unavailable: Airflow does not answer.
        """
        for attempt in range(4):
            try:
                answer = self._http.request(
                    method, f"{self.url}/api/v2/{path}", json=body, params=_flat(query), timeout=self._timeout
                )
                if answer.status_code == 401:
                    self._log_in()
                    continue
            except requests.RequestException as error:
                problem: object = error
            else:
                if answer.ok:
                    return answer.json() if answer.content else None
                if answer.status_code not in RETRYABLE:
                    raise BadInput(f"{method} {path}: {answer.status_code} {_detail(answer)}")
                problem = f"{answer.status_code} {_detail(answer)}"
            time.sleep(min(2.0**attempt, 5))
        raise Unavailable(f"Airflow at {self.url} does not answer {method} {path}: {problem}. See `make status`.")

    def _log_in(self) -> None:
        answer = self._http.post(
            f"{self.url}/auth/token", json={"username": self._user, "password": self._password}, timeout=self._timeout
        )
        if not answer.ok:
            raise BadInput(f"Airflow refused the log-in of {self._user!r}: {answer.status_code} {_detail(answer)}")
        self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def ensure_pools(self, pools: Mapping[str, int]) -> None:
        """Create the pools that are missing and set the others right.

        A task that waits deferred for a job elsewhere holds its slot: the job uses what the pool guards.
        """
        present = {pool["name"]: pool for pool in self.call("GET", "pools")["pools"]}
        for name, slots in pools.items():
            body = {"slots": slots, "include_deferred": True}
            if name not in present:
                self.call("POST", "pools", body | {"name": name, "description": "one at a time"})
            elif any(present[name].get(field) != value for field, value in body.items()):
                mask = ["slots", "include_deferred"]
                self.call("PATCH", f"pools/{name}", body | {"pool": name}, update_mask=mask)

    def wait_for_dags(self, names: Iterable[str], seconds: float = 120) -> None:
        """Wait until the DAG processor has announced the DAGs, and unpause them.

        Raises:
            Unavailable: a DAG did not appear; the message has the import errors.
        """
        end, wanted = time.monotonic() + seconds, set(names)
        while True:
            present = {dag["dag_id"]: dag for dag in self.call("GET", "dags", limit=100)["dags"]}
            if wanted <= present.keys():
                break
            if time.monotonic() > end:
                errors = self.call("GET", "importErrors")["import_errors"]
                trouble = "\n".join(f"{e['filename']}: {e['stack_trace']}" for e in errors) or "no import errors"
                raise Unavailable(f"no DAG named {sorted(wanted - present.keys())} after {seconds:.0f} s; {trouble}")
            time.sleep(0.5)
        for name in wanted:
            if present[name]["is_paused"]:
                self.call("PATCH", f"dags/{name}", {"is_paused": False}, update_mask="is_paused")

    def trigger(self, dag: str, *, key: str | None = None, conf: Mapping[str, Any] | None = None) -> str:
        """Start a run and return its id.

        Args:
            key: partition key, `YYYY-MM-DD`, for a partitioned DAG.
            conf: the form's values.
        """
        body: dict[str, Any] = {"logical_date": None, "conf": dict(conf or {})}
        if key is not None:
            body["partition_key"] = key
        return str(self.call("POST", f"dags/{dag}/dagRuns", body)["dag_run_id"])

    def backfill(self, dag: str, first: str, last: str, *, max_active_runs: int = 1, reprocess: str = "none") -> int:
        """Backfill the partitions `first`..`last` (days, both included) and return the backfill's id.

        Args:
            reprocess: `none`, `failed` or `completed`: which days that ran already run again.
        """
        body = {
            "dag_id": dag,
            "from_date": f"{first}T00:00:00Z",
            "to_date": f"{last}T00:00:00Z",
            "max_active_runs": max_active_runs,
            "reprocess_behavior": reprocess,
        }
        return int(self.call("POST", "backfills", body)["id"])

    def wait_for_backfill(self, number: int, seconds: float = 3600, poll: float = 2) -> None:
        """Wait until a backfill is complete.

        Raises:
            Unavailable: it did not end in time.
        """
        end = time.monotonic() + seconds
        while not self.call("GET", f"backfills/{number}")["completed_at"]:
            if time.monotonic() > end:
                raise Unavailable(f"backfill {number} did not end within {seconds:.0f} s; see {self.url}")
            time.sleep(poll)

    def runs(self, dag: str, **query: object) -> list[dict[str, Any]]:
        """A DAG's runs, newest first."""
        return list(self.call("GET", f"dags/{dag}/dagRuns", order_by="-run_after", limit=100, **query)["dag_runs"])

    def run_of_key(self, dag: str, key: str, since: datetime) -> dict[str, Any] | None:
        """The newest run for a partition key that was queued since an instant; None if there is none."""
        return next((r for r in self.runs(dag) if r.get("partition_key") == key and queued_since(r, since)), None)

    def tasks(self, dag: str, run: str) -> list[dict[str, Any]]:
        """The task instances of a run."""
        return list(
            self.call("GET", f"dags/{dag}/dagRuns/{quote(run, safe='')}/taskInstances", limit=100)["task_instances"]
        )

    def xcom(self, dag: str, run: str, task: str, map_index: int = -1) -> Any:
        """What a task returned; None if it left nothing."""
        try:
            path = f"dags/{dag}/dagRuns/{quote(run, safe='')}/taskInstances/{task}/xcomEntries/return_value"
            value = self.call("GET", path, map_index=map_index, deserialize=True)["value"]
        except BadInput:
            return None
        return json.loads(value) if isinstance(value, str) and value[:1] in "{[" else value

    def wait(
        self, dag: str, run: str, say: Callable[[str], None], seconds: float = 3600, poll: float = 1.5
    ) -> dict[str, Any]:
        """Wait for a run's end, with a line whenever a task ends.

        Raises:
            RunFailed: it failed.
            Unavailable: it did not end in time.
        """
        started, told = time.monotonic(), dict[tuple[str, int, int], str]()
        while True:
            record = self.call("GET", f"dags/{dag}/dagRuns/{quote(run, safe='')}")
            for task in self.tasks(dag, run):
                mark = (task["task_id"], task.get("map_index", -1), task.get("try_number", 0))
                if task["state"] in (*FINAL, "up_for_retry", "upstream_failed") and told.get(mark) != task["state"]:
                    told[mark] = task["state"]
                    took = f" in {task['duration']:.0f} s" if task.get("duration") else ""
                    name = task["task_id"] + (f"[{task['map_index']}]" if task.get("map_index", -1) >= 0 else "")
                    say(f"  {dag}.{name}: {task['state']}{took}")
            if record["state"] == "success":
                return dict(record)
            if record["state"] == "failed":
                raise RunFailed(f"{dag} run {run} failed.\n{self.failures(dag, run)}")
            if time.monotonic() - started > seconds:
                raise Unavailable(f"{dag} run {run} is {record['state']} after {seconds:.0f} s; see {self.url}")
            time.sleep(poll)

    def failures(self, dag: str, run: str, lines: int = 30) -> str:
        """The ends of the logs of a run's failed tasks."""
        failed = [task for task in self.tasks(dag, run) if task["state"] == "failed"]
        return "\n".join(f"--- {dag}.{t['task_id']}\n{self.log_tail(dag, run, t, lines)}" for t in failed)

    def log_tail(self, dag: str, run: str, task: Mapping[str, Any], lines: int = 30) -> str:
        """The end of a task instance's log."""
        path = (
            f"dags/{dag}/dagRuns/{quote(run, safe='')}/taskInstances/{task['task_id']}"
            f"/logs/{max(task.get('try_number') or 1, 1)}"
        )
        try:
            content = self.call("GET", path, full_content=True, map_index=task.get("map_index", -1))["content"]
        except NightshelfError as error:
            return f"(no log: {error})"
        return "\n".join(_log_lines(content)[-lines:])


def queued_since(run: Mapping[str, Any], since: datetime) -> bool:
    """Whether a run (as Airflow describes it) was queued at or after an instant."""
    return bool(run.get("queued_at")) and datetime.fromisoformat(run["queued_at"]) >= since


def _log_lines(content: Sequence[Any]) -> list[str]:
    lines: list[str] = []
    for entry in content:
        if not isinstance(entry, dict):
            lines.append(str(entry))
            continue
        lines.append(str(entry.get("event", entry)))
        lines += [f"{e.get('exc_type')}: {e.get('exc_value')}" for e in entry.get("error_detail") or ()]
    return lines


def _detail(answer: requests.Response) -> str:
    try:
        return str(answer.json().get("detail", answer.text))
    except ValueError:
        return answer.text[:500]


def _flat(query: Mapping[str, object]) -> dict[str, str | list[str]]:
    return {
        k: v if isinstance(v, list) else str(v).lower() if isinstance(v, bool) else str(v) for k, v in query.items()
    }
