"""What a metric is, and how its value is told from anywhere in a command's process.

A command is a short process, so it tells what its last run was like (gauges), and `lake.prometheus.outlet` leaves that
where Prometheus finds it. Telling never fails a job: whatever goes wrong is logged.
"""

import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

log = logging.getLogger("nightshelf.metrics")

Group = Literal["command", "surface"]
Labels = tuple[str, ...]


@dataclass(frozen=True)
class Metric:
    """One gauge.

    Attributes:
        name: as Prometheus has it, base units at its end.
        help: what it says, one line.
        labels: names of its labels beside the group's own; few values each.
        group: what is replaced together. `command`: each command leaves its own (label `command`). `surface`: each
            surface, and arm of one, has its own (label `surface`), whichever command told it last.
    """

    name: str
    help: str
    labels: Labels = ()
    group: Group = "command"
    _told: dict[Labels, float] = field(default_factory=dict, compare=False, repr=False)

    def tell(self, value: Any, **labels: str) -> None:
        """Note a value for the outlet; None and what is no number become NaN, with which no alert fires."""
        wanted = {*self.labels, *(["surface"] if self.group == "surface" else [])}
        if set(labels) != wanted:
            log.error("%s was told with labels %s, its own are %s", self.name, sorted(labels), sorted(wanted))
            return
        try:
            number = math.nan if value is None else float(value)
        except (TypeError, ValueError):
            number = math.nan
        self._told[tuple(str(labels[name]) for name in self.all_labels)] = number

    def tell_all(self, values: Mapping[str, Any]) -> None:
        """Note a value for each value of the only label, and that there are no others."""
        self._told.clear()
        for label, value in values.items():
            self.tell(value, **{self.labels[0]: label})

    def state(self, value: str, states: Labels, **labels: str) -> None:
        """Note which of some states holds: 1 for it, 0 for the others; the last label names the state."""
        for state in states:
            self.tell(state == value, **{self.labels[-1]: state, **labels})

    @property
    def all_labels(self) -> Labels:
        """The labels of `told`, in order: the surface first, where the group is one."""
        return ("surface", *self.labels) if self.group == "surface" else self.labels

    @property
    def told(self) -> Mapping[Labels, float]:
        """What this process has noted so far."""
        return self._told

    def forget(self) -> None:
        """Start anew, as a new process would."""
        self._told.clear()


@contextmanager
def quietly() -> Iterator[None]:
    """Telling that needs a look at something: a failure is logged and the job goes on."""
    try:
        yield
    except Exception as error:
        log.warning("a metric is not told: %s: %s", type(error).__name__, error)
