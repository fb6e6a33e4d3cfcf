"""Stage marks of a training: a killed one takes up where it stopped, a finished one is not repeated."""

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.candidates import two_tower_data
from models.snapshot import Snapshot
from models.workers import wait_for

log = logging.getLogger("nightshelf.training")

Arrays = Mapping[str, NDArray[Any]]
KEPT = 5
"""Trainings whose stages stay on disk, so that they can be repeated or looked at."""


def fingerprint(parts: Iterable[Any]) -> str:
    """Hash of everything a training depends on: snapshots by content, the rest by its JSON."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Snapshot):
            part.update(digest)
        else:
            digest.update(json.dumps(part, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def prune(root: Path, keep: int = KEPT) -> list[str]:
    """Mark a training's folder as the one used last and remove the oldest of its neighbours.

    Args:
        root: the work folder; its neighbours are those of other days.
        keep: how many stay, `root` included.

    Returns:
        Names of the folders that went.
    """
    root.mkdir(parents=True, exist_ok=True)
    os.utime(root)
    folders = sorted((each for each in root.parent.iterdir() if each.is_dir()), key=lambda each: -each.stat().st_mtime)
    gone = [each for each in folders if each != root][keep - 1 :]
    for folder in gone:
        shutil.rmtree(folder, ignore_errors=True)
    return [folder.name for folder in gone]


class Stages:
    """The stages of one training, in a folder named after what it depends on.

    Args:
        root: the training's work folder; results of other content in it are removed.
        key: fingerprint.
        total: how many stages there are, for the progress lines.
        chief: false in a worker that is not the chief: it takes part in what is made together, and reads the rest.
    """

    def __init__(self, root: Path, key: str, total: int, chief: bool = True) -> None:
        self.folder, self.chief = root / key[:16], chief
        self.total, self.done = total, 0
        self.seconds: dict[str, float] = {}
        for other in root.glob("*") if chief else ():
            if other.is_dir() and other != self.folder:
                shutil.rmtree(other, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)

    def arrays(self, name: str, make: Callable[[], Arrays], together: bool = False) -> dict[str, NDArray[Any]]:
        """The arrays of a stage: made and kept, or read where an earlier try or the chief made them.

        Args:
            together: every worker takes part in making it, though the chief alone keeps what came out.
        """
        path = self.folder / f"{name}.npz"
        if path.is_file():
            self._tell(name, "kept from an earlier try")
        elif self.chief:
            two_tower_data.save(self._timed(name, make), path)
        else:
            if together:
                self._timed(name, make)
            wait_for(path)
        with np.load(path, allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}

    def value(self, name: str, make: Callable[[], Any], together: bool = False) -> Any:
        """The same for a stage whose result is a JSON value."""
        path = self.folder / f"{name}.json"
        if path.is_file():
            self._tell(name, "kept from an earlier try")
        elif self.chief:
            half = path.with_suffix(".half")
            half.write_text(json.dumps(self._timed(name, make), default=str))
            half.replace(path)
        else:
            if together:
                self._timed(name, make)
            wait_for(path)
        return json.loads(path.read_text())

    def _timed(self, name: str, make: Callable[[], Any]) -> Any:
        started = time.monotonic()
        made = make()
        self.seconds[name] = round(time.monotonic() - started, 1)
        self._tell(name, f"{self.seconds[name]} s")
        return made

    def _tell(self, name: str, text: str) -> None:
        self.done += 1
        log.info("stage %d/%d: %s (%s)", self.done, self.total, name, text)
