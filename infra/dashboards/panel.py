"""A dashboard as rows of panels, and its JSON as Grafana provisions it.

The JSON model is that of Grafana 11 (schema version 39), as its documentation tells ("Dashboard JSON model").
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["stat", "timeseries", "table", "state-timeline"]

COLUMNS = 24
HEIGHTS: dict[Kind, int] = {"stat": 4, "timeseries": 8, "table": 8, "state-timeline": 8}
HOUR, DAY = 3600, 86400
"""Seconds."""
GOOD = ((None, "red"), (1, "green"))
BAD = ((None, "green"), (1, "red"))
"""Colours of a state, 0 or 1."""
SOURCE = {"type": "prometheus", "uid": "prometheus"}


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        title: what a person reads first.
        queries: PromQL -> legend, which may name labels (`{{surface}}`).
        unit: Grafana's name of the unit: `s`, `bytes`, `percentunit`, `dateTimeFromNow`, `short`.
        says: what is normal and what is not; shown behind the title's mark.
        steps: value -> colour from there on; the first begins at no bound.
        width: of the 24 columns.
        values: value -> text, for states.
    """

    title: str
    queries: dict[str, str]
    unit: str = "short"
    kind: Kind = "timeseries"
    says: str = ""
    steps: Sequence[tuple[float | None, str]] = ((None, "green"),)
    width: int = 8
    values: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Board:
    """A dashboard: its rows of panels under a title each."""

    uid: str
    title: str
    says: str
    rows: dict[str, Sequence[Panel]]
    hours: int = 168

    def panels(self) -> list[Panel]:
        """All panels, in order."""
        return [panel for row in self.rows.values() for panel in row]

    def model(self) -> dict[str, Any]:
        """The dashboard as Grafana's JSON."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.says,
            "tags": ["nightshelf"],
            "schemaVersion": 39,
            "version": 1,
            "editable": True,
            "timezone": "utc",
            "refresh": "1m",
            "time": {"from": f"now-{self.hours}h", "to": "now"},
            "graphTooltip": 1,
            "templating": {"list": []},
            "annotations": {"list": []},
            "panels": list(_placed(self.rows)),
        }


def _placed(rows: dict[str, Sequence[Panel]]) -> Iterator[dict[str, Any]]:
    """Rows from top to bottom, panels from left to right, a new line where the columns do not suffice."""
    number, top = 0, 0
    for title, panels in rows.items():
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "panels": [],
            "gridPos": _at(0, top, COLUMNS, 1),
        }
        top, left, height = top + 1, 0, 0
        for panel in panels:
            if left + panel.width > COLUMNS:
                top, left, height = top + height, 0, 0
            number += 1
            tall = HEIGHTS[panel.kind]
            yield {"id": number, "gridPos": _at(left, top, panel.width, tall), **_panel(panel)}
            left, height = left + panel.width, max(height, tall)
        top += height


def _at(left: int, top: int, width: int, height: int) -> dict[str, int]:
    return {"x": left, "y": top, "w": width, "h": height}


def _panel(panel: Panel) -> dict[str, Any]:
    instant = panel.kind in ("stat", "table")
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": SOURCE,
        "targets": [
            {
                "refId": chr(ord("A") + n),
                "datasource": SOURCE,
                "expr": query,
                "legendFormat": legend,
                "instant": instant,
                "range": not instant,
                **({"format": "table"} if panel.kind == "table" else {}),
            }
            for n, (query, legend) in enumerate(panel.queries.items())
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel.kind),
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    steps = [{"value": value, "color": colour} for value, colour in panel.steps]
    mapped = {str(value): {"text": text, "index": n} for n, (value, text) in enumerate(panel.values.items())}
    return {
        "unit": panel.unit,
        "color": {"mode": "thresholds" if panel.kind != "timeseries" else "palette-classic"},
        "thresholds": {"mode": "absolute", "steps": steps},
        "mappings": [{"type": "value", "options": mapped}] if mapped else [],
        **(
            {"custom": {"drawStyle": "line", "lineInterpolation": "stepAfter", "fillOpacity": 5}}
            if panel.kind == "timeseries"
            else {}
        ),
    }


def _options(kind: Kind) -> dict[str, Any]:
    if kind == "stat":
        reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
        return {"reduceOptions": reduced, "colorMode": "background", "graphMode": "none", "textMode": "auto"}
    if kind == "timeseries":
        return {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}
    return {}
