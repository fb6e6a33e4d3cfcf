"""A command as a task: its own process, its last line, its exit code, its end."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

CONTEXT: Any = {"dag_run": SimpleNamespace(run_id="manual__1"), "ti": SimpleNamespace(try_number=1)}
Make = Callable[..., Any]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """An operator that runs the given source as the module `job`."""
    from dags import commands

    monkeypatch.setattr(commands, "HOME", tmp_path)

    def operator(source: str, *arguments: str, **more: Any) -> Any:
        (tmp_path / "job.py").write_text(source)
        return commands.CommandOperator(task_id="t", module="job", arguments=list(arguments), **more)

    return operator


def gone(pid: int, seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def wait_for(path: Path, seconds: float = 10) -> str:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if path.is_file() and path.read_text():
            return path.read_text()
        time.sleep(0.05)
    raise AssertionError(f"{path} was not written")


def test_the_last_line_on_standard_output_is_the_result_whatever_standard_error_says_later(make: Make) -> None:
    source = (
        "import sys, json; print('progress'); print(json.dumps({'args': sys.argv[1:]}), flush=True)\n"
        "print('late warning', file=sys.stderr)"
    )
    odd = "a b; $(touch x) 'q\""
    assert make(source, "--ds", odd).execute(CONTEXT) == {"args": ["--ds", odd]}


@pytest.mark.parametrize("code", [2, 65, 66])
def test_exit_codes_that_no_retry_helps_fail_for_good(make: Make, code: int) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    with pytest.raises(AirflowFailException, match=f"ended with {code}"):
        make(f"raise SystemExit({code})").execute(CONTEXT)


@pytest.mark.parametrize("code", [1, 70, 75, 137])
def test_other_exit_codes_may_be_tried_again(make: Make, code: int) -> None:
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    with pytest.raises(AirflowException, match=f"ended with {code}") as caught:
        make(f"raise SystemExit({code})").execute(CONTEXT)
    assert not isinstance(caught.value, AirflowFailException)


@pytest.mark.parametrize(
    ("code", "tries", "again"), [(1, 2, True), (1, 3, False), (75, 20, True), (137, 20, True), (-15, 20, True)]
)
def test_a_delivery_is_waited_for_longer_than_a_bug(code: int, tries: int, again: bool) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    from dags.commands import failure

    assert isinstance(failure("jobs.land", code, tries), AirflowFailException) is not again


def test_a_result_that_lacks_what_the_task_needs_fails_for_good(make: Make) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    source = "print('{\"version\": null}')"
    with pytest.raises(AirflowFailException, match="found no version"):
        make(source, needs="version").execute(CONTEXT)
    assert make(source).execute(CONTEXT) == {"version": None}


def test_a_job_sees_the_settings_and_its_run_but_nothing_of_airflow() -> None:
    from dags.commands import job_environment

    given = {
        "LAKE_ROOT": "/l",
        "THREADS": "3",
        "MKL_NUM_THREADS": "1",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "secret",
        "AIRFLOW_HOME": "/a",
        "_AIRFLOW_PROCESS_CONTEXT": "x",
    }
    seen = job_environment(given, "scheduled__1")
    assert seen["LAKE_ROOT"] == "/l"
    assert seen["RUN_ID"] == "scheduled__1"
    assert (seen["OMP_NUM_THREADS"], seen["MKL_NUM_THREADS"]) == ("3", "1")
    assert [name for name in seen if "AIRFLOW" in name] == []


def test_the_figures_of_a_result_become_rows_of_the_log() -> None:
    from dags.commands import table

    result = {"decision": "keep", "figures": {"auc": 0.712345, "days": ["a"], "none": {}}}
    assert table(result) == [
        ("decision", "keep"),
        ("figures.auc", "0.7123"),
        ("figures.days", "['a']"),
        ("figures.none", "{}"),
    ]


SLEEPER = """
import os, signal, subprocess, sys, time
if sys.argv[2] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open(sys.argv[1], "w").write(f"{os.getpid()} {child.pid}")
time.sleep(60)
"""


@pytest.mark.parametrize("temper", ["docile", "stubborn"])
def test_a_killed_task_takes_its_whole_process_group_with_it(
    make: Make, tmp_path: Path, temper: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import AirflowException

    from dags import commands

    monkeypatch.setattr(commands, "KILL_AFTER_SECONDS", 1.0)
    operator, raised = make(SLEEPER, str(tmp_path / "pids"), temper), list[BaseException]()

    def run() -> None:
        try:
            operator.execute(CONTEXT)
        except AirflowException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    pids = [int(pid) for pid in wait_for(tmp_path / "pids").split()]
    started = time.monotonic()
    operator.on_kill()
    assert time.monotonic() - started < 4, "Airflow itself waits five seconds"
    assert all(gone(pid) for pid in pids)
    thread.join(10)
    assert len(raised) == 1


def test_a_job_does_not_outlive_a_worker_that_was_killed_outright(make: Make, tmp_path: Path) -> None:
    command = make(SLEEPER, str(tmp_path / "pids"), "docile").command(tmp_path / "stdout")
    if "--pdeathsig" not in command:
        pytest.skip("no setpriv (util-linux) on this machine")
    worker = f"import subprocess, time; subprocess.Popen({command!r}, start_new_session=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", worker], cwd=tmp_path)
    job = int(wait_for(tmp_path / "pids").split()[0])
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert gone(job)


def test_killing_a_task_that_has_not_started_is_harmless(make: Make) -> None:
    make("pass").on_kill()
