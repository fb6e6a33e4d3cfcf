"""Our code as one zip for executors that do not have it: `python -m infra.embedded.code_archive OUT.zip`.

Only scoring (SCORING=spark) runs our Python on executors; it needs the packages of requirements.txt there as well.
"""

import sys
import zipfile
from pathlib import Path

from infra.embedded.commands import report, say
from infra.embedded.layout import HOME
from lake.errors import BadInput

PACKAGES = ("lake", "validation", "models", "jobs", "storefront", "sources")
SUFFIXES = (".py", ".yaml", ".json")
NO_TIME = (1980, 1, 1, 0, 0, 0)
"""Written for every file, so that the same code is the same zip."""


def build(out: Path) -> int:
    """Write the zip; returns how many files it holds."""
    files = [
        path
        for package in PACKAGES
        for path in sorted((HOME / package).rglob("*"))
        if path.suffix in SUFFIXES and "__pycache__" not in path.parts
    ]
    out.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.writestr(zipfile.ZipInfo(path.relative_to(HOME).as_posix(), NO_TIME), path.read_bytes())
    return len(files)


def main() -> None:
    if len(sys.argv) != 2 or not sys.argv[1].endswith(".zip"):
        raise BadInput("usage: python -m infra.embedded.code_archive OUT.zip")
    say(f"{build(Path(sys.argv[1]))} files in {sys.argv[1]}")


if __name__ == "__main__":
    report(main)
