"""How a command ended on another machine: its exit code and result, left in the lake for the scheduler.

A process tells both by its exit code and its last line; of a job in a cluster or a service a scheduler sees neither.
`jobs.run` leaves them here under a name that the scheduler chose. What nobody fetched is swept with `lake.staging`.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow.fs as pafs

from lake import staging
from lake.errors import BadInput
from lake.settings import Settings

FILE = "outcome.json"


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Attributes:
        code: its exit code.
        result: the JSON object on the last line of its standard output; None where there was none.
        log: the last lines that it wrote.
    """

    code: int
    result: dict[str, Any] | None
    log: Sequence[str] = field(default=())


def write(settings: Settings, name: str, outcome: Outcome) -> None:
    """Leave an outcome under a name; an earlier one of that name is replaced."""
    files, place = _place(settings, name)
    files.create_dir(place, recursive=True)
    with files.open_output_stream(f"{place}/{FILE}") as stream:
        stream.write(json.dumps(asdict(outcome), default=str).encode())


def take(settings: Settings, name: str) -> Outcome | None:
    """The outcome of that name, which is then removed; None where the command left none: it was killed, or lost."""
    files, place = _place(settings, name)
    try:
        with files.open_input_stream(f"{place}/{FILE}") as stream:
            told = json.loads(stream.read())
    except FileNotFoundError:
        return None
    files.delete_dir(place)
    return Outcome(**told)


def _place(settings: Settings, name: str) -> tuple[pafs.FileSystem, str]:
    if not name or "/" in name or name.startswith("."):
        raise BadInput(f"outcome name {name!r}: give one path element, for example outcome-3fa2c1")
    files, root = staging.filesystem(settings)
    return files, f"{root}/{staging.FOLDER}/{name}"
