"""The throttle's side effects: how far a publication steps back."""

import subprocess
import sys


def test_a_throttled_publication_steps_back_once() -> None:
    code = "import os; from jobs.publication.pace import step_back; step_back(); step_back(); print(os.nice(0))"
    assert subprocess.check_output(["nice", "-n", "3", sys.executable, "-c", code], text=True) == "10\n"
