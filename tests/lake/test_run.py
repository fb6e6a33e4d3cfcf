"""A command started from a file: the same as `python -m`."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from lake import outcome
from lake import run as launcher
from lake.outcome import Outcome
from lake.settings import Settings, settings

LAUNCHER = Path(__file__).resolve().parents[2] / "jobs" / "run.py"


def started(tmp_path: Path, source: str, *words: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """A module `command` of that source, run by the launcher from another folder than ours."""
    (tmp_path / "command.py").write_text(source)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path), "VAR": str(tmp_path / "var"), **environ}
    command = [sys.executable, str(LAUNCHER), *words]
    return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)


@pytest.fixture
def left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Outcome | None]]:
    """Runs a source in this process, and gives the outcome that it left."""
    monkeypatch.setenv("VAR", str(tmp_path / "var"))
    monkeypatch.delenv("LAKE_ROOT", raising=False)
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.syspath_prepend(tmp_path)
    settings.cache_clear()

    def run(source: str, *words: str) -> Outcome | None:
        (tmp_path / "command.py").write_text(source)
        launcher.run("command", words, "o")
        return outcome.take(Settings(var=tmp_path / "var"), "o")

    yield run
    settings.cache_clear()


ECHO = "import json, sys; print('progress'); print(json.dumps({'name': __name__, 'words': sys.argv[1:]}), flush=True)"


def test_arguments_and_last_line_are_those_of_the_module(tmp_path: Path) -> None:
    done = started(tmp_path, ECHO, "command", "--ds", "a b")
    assert done.returncode == 0, done.stderr
    assert done.stdout == 'progress\n{"name": "__main__", "words": ["--ds", "a b"]}\n'
    assert not (tmp_path / "var").exists(), "nobody asked for an outcome"


def test_the_result_is_left_for_the_scheduler(tmp_path: Path) -> None:
    assert started(tmp_path, ECHO, "--outcome", "o", "command", "x").returncode == 0
    told = outcome.take(Settings(var=tmp_path / "var"), "o")
    assert told == Outcome(0, {"name": "__main__", "words": ["x"]}, [])


@pytest.mark.parametrize(
    ("source", "code", "said"),
    [
        ("import sys; print('why', file=sys.stderr); sys.exit(66)", 66, "why"),
        ("from lake.command import finish\nfrom lake.errors import Unavailable\n"
         "def work(s): raise Unavailable('Redis is away')\nfinish('n', work)", 75, "Redis is away"),
        ("1 / 0", 1, "ZeroDivisionError"),
        ("raise SystemExit('no such day')", 1, "no such day"),
        ("print('no JSON')", 1, "one JSON object"),
    ],
    ids=["code", "error of ours", "exception", "text", "no result"],
)  # fmt: skip
def test_a_bad_end_is_left_with_its_reason(
    left: Callable[..., Outcome | None], source: str, code: int, said: str
) -> None:
    told = left(source)
    assert told is not None
    assert (told.code, told.result) == (code, None)
    assert said in "\n".join(told.log)


def test_exit_codes_pass_through(tmp_path: Path) -> None:
    assert started(tmp_path, "raise SystemExit(65)", "command").returncode == 65
    assert started(tmp_path, "1 / 0", "command").returncode == 1


def test_modules_of_ours_are_found_from_anywhere_and_shadow_nobody(tmp_path: Path) -> None:
    source = (
        "import importlib.util as u, json\nprint(json.dumps({n: u.find_spec(n) is not None for n in ('lake', 'day')}))"
    )
    assert json.loads(started(tmp_path, source, "command").stdout) == {"lake": True, "day": False}


@pytest.mark.parametrize("words", [[], ["--outcome", "o"], ["--ds", "2026-11-22"]])
def test_without_a_module_it_says_how(tmp_path: Path, words: list[str]) -> None:
    done = started(tmp_path, "", *words)
    assert done.returncode == 2
    assert "usage: run " in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="a process's end is told to its children on Linux only")
def test_a_driver_does_not_outlive_a_jvm_that_was_killed_outright(tmp_path: Path) -> None:
    (tmp_path / "command.py").write_text("import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)")
    command = [sys.executable, str(LAUNCHER), "command"]
    parent = f"import subprocess, time; subprocess.Popen({command!r}); time.sleep(60)"
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    jvm = subprocess.Popen([sys.executable, "-c", parent], cwd=tmp_path, env=environment)
    deadline = time.monotonic() + 20
    while not ((tmp_path / "pid").is_file() and (tmp_path / "pid").read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    driver = int((tmp_path / "pid").read_text())
    os.kill(jvm.pid, signal.SIGKILL)
    jvm.wait()
    while psutil.pid_exists(driver) and psutil.Process(driver).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline + 10
        time.sleep(0.05)
