"""Runs the tests of the two-tower's training in a process of their own: TFRS needs the legacy Keras from the start."""

import os
import subprocess
import sys

import pytest

from models.candidates.two_tower_process import ROOT


@pytest.mark.parametrize(
    "chosen", ["two_devices or losses or correction or history", pytest.param("", marks=pytest.mark.verify)]
)
def test_the_training_under_the_legacy_keras(chosen: str) -> None:
    inside = "tests/models/candidates/two_tower_in_tensorflow.py"
    environment = os.environ | {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, inside]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-6000:]
