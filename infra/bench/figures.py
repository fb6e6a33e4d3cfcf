"""A figure of the bench: our speed and a reference's, taken in turns in the same process, and their ratio."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        name: what is measured, `retrieval` or `lookup p99`.
        unit: of `ours` and `reference`, for example `users/s`.
        ours: a value a run.
        reference: the reference's value in the same run.
        against: what the reference is.
        bar: what the median ratio ours / reference is held to; None where it is only told.
        most: the bar is an upper bound (latency, memory), else a lower one.
        floor: what bounds the step, and where the rest of the time goes.
        details: further numbers for the JSON.
    """

    name: str
    unit: str
    ours: tuple[float, ...]
    reference: tuple[float, ...]
    against: str
    bar: float | None = None
    most: bool = False
    floor: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ratios(self) -> tuple[float, ...]:
        """ours / reference, a run each."""
        return tuple(a / b for a, b in zip(self.ours, self.reference, strict=True))

    @property
    def ratio(self) -> float:
        """The median over the runs."""
        return median(self.ratios)

    @property
    def met(self) -> bool | None:
        """Whether the bar holds; None without one."""
        if self.bar is None:
            return None
        return self.ratio <= self.bar if self.most else self.ratio >= self.bar

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "name": self.name,
            "unit": self.unit,
            "ours": [_short(value) for value in self.ours],
            "reference": [_short(value) for value in self.reference],
            "against": self.against,
            "ratio": _short(self.ratio),
            "ratio_low": _short(min(self.ratios)),
            "ratio_high": _short(max(self.ratios)),
            "bar": self.bar,
            "bar_is": "at most" if self.most else "at least",
            "met": self.met,
            "floor": self.floor,
            "details": dict(self.details),
        }


@contextmanager
def stopwatch() -> Iterator[Callable[[], float]]:
    """Seconds since the block began; after it, the block's length."""
    begun = time.perf_counter()
    ended: list[float] = []
    yield lambda: (ended[0] if ended else time.perf_counter()) - begun
    ended.append(time.perf_counter())


def in_turns(runs: int, *measured: Callable[[], float]) -> list[tuple[float, ...]]:
    """Each callable's values over the runs; in each run all of them, one after the other, so that a slow spell of the
    machine falls on all. A first, unrecorded round warms caches and compilers."""
    for call in measured:
        call()
    rounds = [[call() for call in measured] for _ in range(runs)]
    return [tuple(values) for values in zip(*rounds, strict=True)]


def table(figures: list[Figure]) -> str:
    """For a terminal or a document: one line a figure, Markdown."""
    lines = ["| figure | ours | reference | ratio (lowest - highest) | bar | |", "|---|---|---|---|---|---|"]
    for each in figures:
        bar = "" if each.bar is None else f"{'<=' if each.most else '>='} {each.bar:g}"
        verdict = {None: "", True: "met", False: "**missed**"}[each.met]
        spread = f"{each.ratio:.3g} ({min(each.ratios):.3g} - {max(each.ratios):.3g})"
        ours = f"{median(each.ours):,.4g} {each.unit}"
        lines.append(
            f"| {each.name} | {ours} | {each.against}: {median(each.reference):,.4g} | {spread} | {bar} | {verdict} |"
        )
    return "\n".join(lines)


def _short(value: float) -> float:
    return float(f"{value:.5g}")
