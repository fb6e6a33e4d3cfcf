"""Turns a command of ours into an Airflow task: its own process, streamed log, last line as XCom, exit code as verdict.

Job code never runs inside Airflow's process. The process group dies with the task, and with Airflow's worker even if
that is killed outright. Exit codes are those of `lake.errors`: 65 (bad input) and 66 (a failed gate) fail the task for
good; 75 (unavailable) and a kill are tried again as the task's `Retry` says, any other end three times at most.
"""

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow.providers.standard.hooks.subprocess import SubprocessHook
from airflow.sdk import Asset, BaseOperator, BaseOperatorLink, Context, conf, get_current_context, task
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from dags.compute import Target, target_of
from dags.lineage import TellsLineage
from dags.policy import HOME, NO_RETRY, SERVICE, Pool, Retry
from lake.clock import parse_day
from lake.command import parse_result
from lake.errors import BadInput, GateFailed, Unavailable

DS = "{{ dag_run.partition_key }}"
"""Template of the day of a partitioned run."""
RUN = "{{ dag_run.run_id }}"
"""Template of the run's own name, for records."""

HOPELESS = {
    2: "the command refused its arguments",
    BadInput.exit_code: "bad input",
    GateFailed.exit_code: "a gate failed; what it guards was not replaced",
}
CRASHES = 3
"""Tries after which an unexpected end is taken for a fault of the code; a delivery is waited for much longer."""
FIRST_SIGNAL = 128
KILL_AFTER_SECONDS = 3.0
# Bash merges the job's two streams for the log while `tee` keeps standard output apart, where the result stands last.
SCRIPT = 'result="$1"; shift; "$@" | tee "$result"'


def require_day(key: str | None, dag_id: str) -> str:
    """The run's partition key, checked.

    Raises:
        AirflowFailException: there is none, or it is not a day; the message says how to give one.
    """
    how = (
        f"Give one day as YYYY-MM-DD: in the UI 'Trigger' with 'Partition key', or a backfill; by REST "
        f'POST /api/v2/dags/{dag_id}/dagRuns {{"logical_date": null, "partition_key": "2026-11-22"}}; '
        f"for `features` also `airflow backfill create --dag-id features --from-date 2026-11-22 --to-date 2026-11-22`."
    )
    if not key:
        raise AirflowFailException(f"this run of {dag_id} has no partition key, so it has no day to work on. {how}")
    try:
        return parse_day(key, "partition_key").isoformat()
    except BadInput as error:
        raise AirflowFailException(f"{error}. {how}") from error


@task(task_id="day_given", **NO_RETRY.arguments())
def day_given() -> str:
    """First task of a partitioned DAG: the run has a day."""
    run = get_current_context()["dag_run"]
    return require_day(run.partition_key, run.dag_id)


def table(result: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """A result as rows of dotted name and value, for the log."""
    rows: list[tuple[str, str]] = []
    for name, value in result.items():
        if isinstance(value, Mapping) and value:
            rows += table(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", f"{value:.4f}" if isinstance(value, float) else str(value)))
    return rows


def job_environment(environment: Mapping[str, str], run_id: str) -> dict[str, str]:
    """What a job may see: the settings and `RUN_ID`, but nothing of Airflow's own configuration and secrets.

    Thread pools are bounded by `THREADS` unless set otherwise, since two of them fight over the same cores.
    """
    mine = {name: value for name, value in environment.items() if not name.lstrip("_").startswith("AIRFLOW")}
    threads = mine.get("THREADS", "2")
    pinned = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads)
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "TYPER_STANDARD_TRACEBACK": "1"}
    return pinned | quiet | mine | {"RUN_ID": run_id}


def failure(module: str, code: int, tries: int) -> AirflowException:
    """What to raise for an exit code: an `AirflowFailException` where another try is pointless."""
    if code in HOPELESS:
        return AirflowFailException(f"{module} ended with {code} ({HOPELESS[code]}); its reason is above")
    expected = code == Unavailable.exit_code or not 0 < code < FIRST_SIGNAL
    if not expected and tries >= CRASHES:
        return AirflowFailException(f"{module} ended with {code}, and not for the first time; its reason is above")
    return AirflowException(f"{module} ended with {code}; its reason is above")


def conclude(log: Any, module: str, result: dict[str, Any], needs: str | None) -> dict[str, Any]:
    """Show a command's result in the task's log and hand it on.

    Raises:
        AirflowFailException: it lacks the field that the task `needs`.
    """
    width = max((len(name) for name, _ in table(result)), default=0)
    for name, value in table(result):
        log.info("%-*s  %s", width, name, value)
    if needs and not result.get(needs):
        raise AirflowFailException(f"{module} found no {needs}: {result}; see this DAG's page")
    return result


def tied() -> list[str]:
    """Words before a command by which it ends when its parent does, however that one ended."""
    return [tool, "--pdeathsig", "TERM"] if (tool := shutil.which("setpriv")) else []


def end_group(process: Any) -> None:
    """End a process and its group: politely, and by force before Airflow itself loses patience (5 s)."""
    deadline = time.monotonic() + KILL_AFTER_SECONDS
    try:
        os.killpg(process.pid, signal.SIGTERM)
        while time.monotonic() < deadline:
            time.sleep(0.1)
            process.poll()
            os.killpg(process.pid, 0)
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


class ReportLink(BaseOperatorLink):
    """Button of a task that leads to the HTML report its command wrote."""

    name = "Report"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        report = getattr(operator, "report", None)
        base = conf.get("api", "base_url", fallback="").rstrip("/")
        return f"{base}/nightshelf/reports/{report}" if report else ""


class CommandOperator(TellsLineage, BaseOperator):
    """Runs `python -m <module> <arguments>` from the checkout and returns its result.

    Args:
        module: dotted name of the module.
        arguments: what follows it; templated, never seen by a shell; one that renders empty is left out.
        report: path under the reports folder that the command writes; templated; becomes a button in the UI.
        needs: field of the result without which the task fails for good.
    """

    template_fields: Sequence[str] = ("arguments", "report")
    operator_extra_links = (ReportLink(),)
    ui_color = "#e8f0e4"

    def __init__(
        self, *, module: str, arguments: Any, report: str | None = None, needs: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.module = module
        self.arguments = arguments
        self.report = report
        self.needs = needs
        self._hook: SubprocessHook | None = None

    def command(self, result: Path) -> list[str]:
        """The process to start."""
        own = HOME / ".venv" / "bin" / "python"
        python = str(own) if own.exists() else sys.executable
        shell = [*tied(), "bash", "-o", "pipefail", "-c", SCRIPT, "bash", str(result)]
        return [*shell, *tied(), python, "-m", self.module, *(a for a in map(str, self.arguments) if a)]

    def execute(self, context: Context) -> dict[str, Any]:
        self._hook = SubprocessHook()
        environment = job_environment(os.environ, context["dag_run"].run_id)
        with tempfile.TemporaryDirectory(prefix="nightshelf-") as folder:
            output = Path(folder) / "stdout"
            code = self._hook.run_command(self.command(output), env=environment, cwd=str(HOME)).exit_code
            if code:
                raise failure(self.module, code, context["ti"].try_number)
            result = parse_result(output.read_text(errors="replace"))
        return conclude(self.log, self.module, result, self.needs)

    def on_kill(self) -> None:
        if self._hook and self._hook.sub_process is not None:
            end_group(self._hook.sub_process)


def operator_of(module: str, arguments: Any) -> type[BaseOperator]:
    """The operator by which a command runs where the settings say (`dags.compute`).

    Raises:
        SettingsError: the settings contradict themselves: an import error of the DAG that says which.
    """
    target = target_of(module, arguments)
    if target is Target.LOCAL:
        return CommandOperator
    from dags.remote import OPERATORS  # providers cost a second, and need this module

    return OPERATORS[target]


def command_task(
    task_id: str,
    module: str,
    arguments: Any,
    *,
    pool: Pool | None = None,
    retry: Retry = SERVICE,
    outlets: Sequence[Asset] = (),
    **more: Any,
) -> BaseOperator:
    """A task that runs `python -m module arguments` where the settings say.

    Args:
        arguments: list of templated strings, or a task's output that is such a list.
        pool: the scarce thing it uses; one task at a time may.
        more: handed to the operator (`report`, `needs`, `trigger_rule`, ...).
    """
    return operator_of(module, arguments)(
        task_id=task_id,
        module=module,
        arguments=arguments,
        outlets=list(outlets),
        **_policy(pool, retry),
        **more,
    )


def mapped_command(
    task_id: str, module: str, arguments: Any, *, pool: Pool | None = None, retry: Retry = SERVICE, label: str
) -> MappedOperator:
    """One task for each list of arguments in `arguments`, which is another task's output.

    Args:
        label: template of the name that each of them bears in the UI.
    """
    operator = operator_of(module, arguments)
    partial = operator.partial(task_id=task_id, module=module, map_index_template=label, **_policy(pool, retry))
    return partial.expand(arguments=arguments)


def _policy(pool: Pool | None, retry: Retry) -> dict[str, Any]:
    return {**retry.arguments(), **({"pool": pool.value} if pool else {})}
