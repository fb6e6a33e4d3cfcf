"""What became of a day's lists: published, held, refused by the gate, taken back, or never made."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from lake import storage
from lake.columns import Columns as C
from lake.settings import Settings
from models import decisions

State = Literal["published", "made", "held", "gate_failed", "rolled_back", "missing"]

GATE = "gate"
"""Key in the figures of a `hold` that a gate caused."""


@dataclass(frozen=True)
class Standing:
    """Whether shoppers were given the lists of a day on a surface.

    Attributes:
        made: the lake has the lists.
        version: under which they were pushed, if they were.
        text: one sentence for a person.
    """

    ds: str
    surface: str
    state: State
    made: bool
    text: str
    version: str | None = None


def _made_at(settings: Settings, ds: str) -> datetime | None:
    """When the lists of a day that the lake holds were written."""
    marks = storage.read(settings, "partitions", ds=ds, columns=["written_ts"], filters=[("table", "=", "lists")])
    return max(marks["written_ts"].to_pylist(), default=None)


def standing(settings: Settings, ds: str, surface: str) -> Standing:
    """What the lake and its decisions say of a day's lists."""
    filters = [(C.SURFACE, "=", surface), (C.RANK, "=", 1)]
    made = bool(len(storage.read(settings, "lists", ds=ds, columns=[C.RANK], filters=filters)))
    told = decisions.history(settings, ["publish", "hold", "rollback"])
    mine = [row for row in told if row["figures"].get("surface", surface) == surface]
    of_day = [row for row in mine if row[C.DS] == ds]
    published = [row for row in of_day if row["kind"] == "publish"]
    version = published[-1]["figures"]["version"] if published else None

    def state(name: State, text: str) -> Standing:
        return Standing(ds, surface, name, made, text, version)

    refused = [row for row in of_day if row["kind"] == "hold" and GATE in row["figures"]]
    if refused and made and (since := _made_at(settings, ds)) is not None and since > refused[-1]["decided_ts"]:
        refused = []
    held = [row for row in of_day if row["kind"] == "hold" and GATE not in row["figures"]]
    if published:
        back = [r for r in mine if r["kind"] == "rollback" and r["figures"].get("before") == version]
        if back and back[-1]["decided_ts"] > published[-1]["decided_ts"]:
            when = f"{back[-1]['decided_ts']:%Y-%m-%d %H:%M} UTC"
            return state("rolled_back", f"the lists of {ds} were published and taken back on {when}")
        return state("published", f"the lists of {ds} were published")
    if refused and (not held or refused[-1]["decided_ts"] > held[-1]["decided_ts"]):
        return state("gate_failed", f"the gate refused the lists of {ds}: {refused[-1]['reason']}")
    if held:
        return state("held", f"the lists of {ds} were held: {held[-1]['reason']}")
    if made:
        return state("made", f"the lists of {ds} were made and never published")
    return state("missing", f"no lists of {ds} were made")
