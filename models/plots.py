"""Two plots as inline SVG: figures with their intervals, and counts by place. Colours follow the page's theme."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

from models.metrics import Estimate

KINDS = ("ours", "rival")
WIDTH, LEFT, RIGHT, ROW, TOP, BOTTOM = 760, 230, 150, 24, 8, 30


@dataclass(frozen=True)
class Dot:
    """One line of `intervals`."""

    label: str
    estimate: Estimate
    kind: str = "ours"
    """Its CSS class: `ours`, `rival` or `worst`."""


def intervals(title: str, dots: Sequence[Dot], *, line: float | None = None) -> str:
    """A dot a figure with its 95 % interval, one below the other.

    Args:
        line: a value marked by a dashed vertical, such as 1 for ratios.
    """
    shown = [dot for dot in dots if dot.estimate.users and dot.estimate.mean == dot.estimate.mean]
    if not shown:
        return "<p class='muted'>Nothing to show.</p>"
    marks = [line] if line is not None else [0.0]
    low = min([*marks, *(dot.estimate.low for dot in shown)])
    ticks = _ticks(low, max([*marks, *(dot.estimate.high for dot in shown)]))
    height = TOP + ROW * len(shown) + BOTTOM

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - ticks[0]) / (ticks[-1] - ticks[0])

    parts = [
        f"<path class='grid' d='M{x(tick):.1f} {TOP}V{height - BOTTOM}' />"
        f"<text class='tick' x='{x(tick):.1f}' y='{height - BOTTOM + 16}' text-anchor='middle'>{tick:.4g}</text>"
        for tick in ticks
    ]
    if line is not None:
        parts.append(f"<path class='line' d='M{x(line):.1f} {TOP}V{height - BOTTOM}' />")
    for number, dot in enumerate(shown):
        y, told = TOP + ROW * (number + 0.5), str(dot.estimate)
        ends = f"M{x(dot.estimate.low):.1f} {y}H{x(dot.estimate.high):.1f}"
        parts.append(
            f"<g class='{dot.kind}'><title>{escape(dot.label)}: {told}</title><text x='{LEFT - 12}' y='{y + 4}' "
            f"text-anchor='end'>{escape(_short(dot.label))}</text><path d='{ends}' />"
            f"<circle cx='{x(dot.estimate.mean):.1f}' cy='{y}' r='4.5' />"
            f"<text class='tick' x='{WIDTH - RIGHT + 14}' y='{y + 4}'>{told}</text></g>"
        )
    return _svg(title, height, parts)


def bars(title: str, counts: Mapping[str, Sequence[int]]) -> str:
    """Counts by place in the list, from 1, for one or two rankers side by side."""
    places = max(len(each) for each in counts.values())
    most = max([1, *(int(n) for each in counts.values() for n in each)])
    height, width = 190, (WIDTH - 60) / places
    parts = []
    for number, (name, each) in enumerate(counts.items()):
        thick = 0.8 * width / len(counts)
        for place, count in enumerate(each):
            tall = (height - TOP - BOTTOM) * int(count) / most
            left = 50 + place * width + number * thick
            parts.append(
                f"<rect class='{KINDS[number % 2]}' x='{left:.1f}' y='{height - BOTTOM - tall:.1f}' "
                f"width='{thick:.1f}' height='{tall:.1f}'>"
                f"<title>{escape(name)}, place {place + 1}: {int(count)}</title></rect>"
            )
    parts += [
        f"<text class='tick' x='{50 + (place + 0.4) * width:.1f}' y='{height - BOTTOM + 16}' text-anchor='middle'>"
        f"{place + 1}</text>"
        for place in range(places)
    ]
    parts.append(f"<text class='tick' x='44' y='{TOP + 10}' text-anchor='end'>{most}</text>")
    parts.append(f"<text class='tick' x='44' y='{height - BOTTOM}' text-anchor='end'>0</text>")
    return _svg(title, height, parts)


def _svg(title: str, height: float, parts: Sequence[str]) -> str:
    return f"<svg role='img' aria-label='{escape(title)}' viewBox='0 0 {WIDTH} {height}'>{''.join(parts)}</svg>"


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers from at most `low` to at least `high`."""
    span = max(high - low, 1e-6)
    step = 10.0 ** floor(log10(span / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (factor * step) <= 6)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def _short(label: str) -> str:
    return label if len(label) <= 32 else label[:31] + "…"
