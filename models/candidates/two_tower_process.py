"""Starts the two-tower's own process and waits for its fits, so that nothing else ever imports TFRS."""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lake.errors import BadInput, Unavailable
from models.workers import TOWER_PORTS, Workers

log = logging.getLogger("nightshelf.two_tower")

ROOT = Path(__file__).resolve().parents[2]


class TwoTowerProcess:
    """The process; used as a context, so that it ends with whoever waits for it.

    Args:
        workdir: folder with config.json and an .npz for each fit.
        fits: their names, in order: a later one goes on from what the one before it learned.
        workers: with whom it trains; each of them starts such a process.
    """

    def __init__(self, workdir: Path, fits: Sequence[str], workers: Workers | None = None) -> None:
        self.workdir = workdir.absolute()
        self.fits = fits
        self._workers = workers or Workers()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "TwoTowerProcess":
        return self

    def start(self) -> None:
        """Start, unless every fit is done already."""
        if not all(self._done(fit).is_file() for fit in self.fits):
            module = "models.candidates.two_tower"
            command = [sys.executable, "-m", module, "--workdir", str(self.workdir), "--fits", ",".join(self.fits)]
            environment = os.environ.copy()
            if self._workers.several:
                # The ranker learns beside it, in this process and on the ports that TF_CONFIG names.
                environment["TF_CONFIG"] = self._workers.tf_config(TOWER_PORTS)
            # Its result line must not become the last line of this process's own output.
            self._process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=sys.stderr.fileno())

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(30)

    def _done(self, fit: str) -> Path:
        return self.workdir / fit / "done.json"

    def wait(self, fit: str) -> dict[str, Any]:
        """Wait until a fit is done; returns what it says of itself.

        Raises:
            BadInput: the process refused its input; the log says why.
            Unavailable: it was killed; another try goes on from its checkpoint.
        """
        while not self._done(fit).is_file():
            code = self._process.poll() if self._process is not None else None
            if code is not None and not self._done(fit).is_file():
                if code == BadInput.exit_code:
                    raise BadInput("the two-tower's training refused its input or settings; see the lines above")
                raise Unavailable(f"the two-tower's training ended with code {code}; try again, it keeps its epochs")
            time.sleep(0.2)
        return dict(json.loads(self._done(fit).read_text()))

    def arrays(self, fit: str) -> dict[str, NDArray[Any]]:
        """The trained arrays of a finished fit."""
        with np.load(self.workdir / fit / "arrays.npz", allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
