"""Starts a command for a scheduler that sees neither exit code nor last line: `python -m lake.run jobs.day --ds D`.

It is `python -m jobs.day --ds D` in every respect: arguments, last line, exit code. With `--outcome NAME` before the
module, exit code and result are also left in the lake (`lake.outcome`). `jobs/run.py` is the same as a file.
"""

import ctypes
import logging
import runpy
import signal
import sys
from collections import deque
from collections.abc import Sequence
from typing import Any, TextIO

log = logging.getLogger("nightshelf.run")

LOG_LINES = 100
DIES_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of Linux' prctl(2)."""


class Heard:
    """A stream that passes everything on and remembers the last lines."""

    def __init__(self, stream: TextIO, lines: int) -> None:
        self._stream, self._open = stream, ""
        self._lines: deque[str] = deque(maxlen=lines)

    def write(self, text: str) -> int:
        *whole, self._open = (self._open + text).split("\n")
        self._lines.extend(line for line in whole if line.strip())
        return self._stream.write(text)

    def lines(self) -> list[str]:
        return [*self._lines, *([self._open] if self._open.strip() else [])]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def run(module: str, arguments: Sequence[str], name: str | None = None) -> int:
    """Run a module as `python -m` does.

    Args:
        name: under which its end is left in the lake.

    Returns:
        Its exit code: 1 where it ended with an exception, whose traceback is printed.
    """
    sys.argv = [module, *arguments]
    out, told = sys.stdout, sys.stderr
    heard, noted = Heard(out, 1), Heard(told, LOG_LINES)
    sys.stdout, sys.stderr = heard, noted
    try:
        code = _exit_code(module)
    finally:
        sys.stdout, sys.stderr = out, told
    if name:
        _leave(name, code, heard.lines(), noted.lines())
    return code


def _exit_code(module: str) -> int:
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except Exception:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _leave(name: str, code: int, printed: Sequence[str], noted: Sequence[str]) -> None:
    """Without settings there is no lake to leave it in: the scheduler then sees a command that told nothing."""
    from lake import outcome  # its imports take as long as a short command
    from lake.command import parse_result
    from lake.settings import SettingsError, settings

    try:
        result = parse_result("\n".join(printed)) if code == 0 else None
    except ValueError as error:
        code, result, noted = 1, None, [*noted, str(error)]
    try:
        outcome.write(settings(), name, outcome.Outcome(code, result, noted))
    except SettingsError as error:
        log.error("the outcome cannot be left: %s", error)


def main() -> None:
    arguments = sys.argv[1:]
    name = None
    if arguments[:1] == ["--outcome"] and len(arguments) > 1:
        name, arguments = arguments[1], arguments[2:]
    if not arguments or arguments[0].startswith("-"):
        print("usage: run [--outcome NAME] MODULE [ARGUMENT ...]", file=sys.stderr)
        raise SystemExit(2)
    if sys.platform == "linux":
        # spark-submit's JVM may be killed outright; its driver must not go on.
        ctypes.CDLL(None).prctl(DIES_WITH_PARENT, signal.SIGTERM)
    raise SystemExit(run(arguments[0], arguments[1:], name))


if __name__ == "__main__":
    main()
