"""Bundles on local disk, so that scoring goes on while MLflow is away.

`VAR/bundles/<version>/` is a bundle's folder, `<version>.json` beside it says which content it is, and `champion.json`
which version was the champion when MLflow last answered. Folders appear and go by rename: a reader never sees half of
one. The versions used last are kept, and those that an alias names; others can be fetched again.
"""

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

CHUNK = 1 << 20
KEPT = 5
"""Versions that stay beside those an alias names."""
ABANDONED_SECONDS = 86_400.0
"""Age at which a half-made folder belongs to nobody: whoever made it was killed."""


def content_hash(folder: Path) -> str:
    """SHA-256 over the folder's relative file names and bytes, in sorted order."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while block := file.read(CHUNK):
                digest.update(block)
    return digest.hexdigest()


class BundleCache:
    """The folder `VAR/bundles`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def get(self, version: str, content: str | None = None) -> Path | None:
        """The version's folder; None where it is not here, or is another content under the same number.

        Args:
            content: the content hash that the registry has for the version; None accepts what is here.
        """
        folder, note = self.root / version, self.root / f"{version}.json"
        if not (folder.is_dir() and note.is_file()):
            return None
        known = json.loads(note.read_text(encoding="utf-8")).get("content_hash")
        if content not in (None, known):
            return None
        try:
            os.utime(note)
        except FileNotFoundError:
            # Another process removed it just now.
            return None
        return folder

    def put(self, version: str, content: str, fill: Callable[[Path], Path]) -> Path:
        """Fetch a version and make it visible at once.

        Args:
            fill: downloads into the folder it is given and returns where in it the bundle lies.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{version}-", dir=self.root))
        try:
            bundle, folder = fill(work), self.root / version
            if folder.exists():
                folder.rename(work / "replaced")
            try:
                bundle.rename(folder)
            except OSError:
                # Somebody else fetched the same version meanwhile: theirs is as good.
                if not folder.is_dir():
                    raise
            _write(self.root / f"{version}.json", {"version": version, "content_hash": content})
        finally:
            shutil.rmtree(work, ignore_errors=True)
        with suppress(OSError):
            # Another process may be at it; what stays now goes next time.
            self.prune()
        return folder

    def prune(self, keep: int = KEPT) -> list[str]:
        """Remove all versions but those that an alias named and the `keep` used last beside them; returns what went."""
        notes = list(self.root.glob("*.json"))
        named = {json.loads(note.read_text(encoding="utf-8"))["version"] for note in notes if not note.stem.isdecimal()}
        others = [note for note in notes if note.stem.isdecimal() and note.stem not in named]
        gone = [note.stem for note in sorted(others, key=lambda note: -note.stat().st_mtime_ns)[keep:]]
        for version in gone:
            work = Path(tempfile.mkdtemp(prefix=f".{version}-", dir=self.root))
            if (self.root / version).is_dir():
                (self.root / version).rename(work / "bundle")
            (self.root / f"{version}.json").unlink(missing_ok=True)
            shutil.rmtree(work, ignore_errors=True)
        for half in self.root.glob(".*-*"):
            if half.is_dir() and time.time() - half.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(half, ignore_errors=True)
        return gone

    def point(self, alias: str, version: str) -> None:
        """Remember which version an alias named when MLflow last answered."""
        _write(self.root / f"{alias}.json", {"version": version, "path": str(self.root / version)})

    def pointed(self, alias: str) -> tuple[str, Path] | None:
        """The version that the alias last named, if its folder is here."""
        pointer = self.root / f"{alias}.json"
        if not pointer.is_file():
            return None
        version = str(json.loads(pointer.read_text(encoding="utf-8"))["version"])
        folder = self.get(version)
        return None if folder is None else (version, folder)

    def forget(self, alias: str) -> None:
        (self.root / f"{alias}.json").unlink(missing_ok=True)


def _write(path: Path, content: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(content) + "\n", encoding="utf-8")
    temporary.replace(path)
