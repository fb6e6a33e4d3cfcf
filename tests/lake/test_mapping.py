"""A source YAML is refused before anything runs, by file, key and column."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from lake import mapping
from lake.errors import BadInput

GOOD: dict[str, Any] = {
    "name": "shop",
    "deliveries": {"format": "csv", "pattern": "{ds}.csv", "time_zone": "Europe/London"},
    "events": {
        "columns": {
            "user_id": "who",
            "item_id": "upper(what)",
            "event_ts": "to_timestamp(stamp)",
            "event_type": "kind",
        },
        "event_types": {"see": "view", "star": "rating"},
        "rating": {"positive_from": 4},
    },
}


def write(folder: Path, change: dict[str, Any] | None = None) -> Path:
    """GOOD with dotted keys set, or deleted where the value is ..."""
    raw = yaml.safe_load(yaml.safe_dump(GOOD))
    for dotted, value in (change or {}).items():
        *parents, last = dotted.split(".")
        node = raw
        for parent in parents:
            node = node.setdefault(parent, {})
        if value is ...:
            del node[last]
        else:
            node[last] = value
    path = folder / "shop.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


def test_a_good_mapping_knows_its_files_and_columns(tmp_path: Path) -> None:
    source = mapping.load(write(tmp_path))
    assert source.deliveries.file(date(2026, 2, 3)) == "2026-02-03.csv"
    assert mapping.referenced_columns("regexp_replace(a, 'b', '') || `c d`") == {"a", "c d"}
    assert source.check_columns("events", ["who", "what", "stamp", "kind", "new"], "f.csv") == ["new"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"events.columns.item_id": ...}, r"events: columns: item_id must be mapped"),
        ({"events.columns.color": "c"}, r"color is no target column"),
        ({"events.columns.item_id": "upper(what"}, r"events.columns.item_id.*'upper\(what' is no Spark SQL expression"),
        ({"events.event_types": ...}, r"say the event type once"),
        ({"events.event_type": "view"}, r"say the event type once"),
        ({"events.rating": ...}, r"state rating.positive_from"),
        ({"events.event_types.star": "love"}, r"events.event_types.star: Input should be 'view'"),
        ({"deliveries.time_zone": "Mars/Olympus"}, r"deliveries.time_zone: 'Mars/Olympus' is no time zone"),
        ({"deliveries.pattern": "all.csv"}, r"period 'day' and pattern 'all.csv' contradict"),
        ({"deliveries.delay": "soon"}, r"deliveries.delay: expected a duration such as 30m"),
        ({"deliveries.formt": "csv"}, r"deliveries.formt: Extra inputs"),
        ({"deliveries.options": {"header": False}}, r"options.columns must name the columns"),
        ({"name": "My Shop"}, r"name: "),
        ({"items": {"from": "deliveries", "columns": {"item_id": "i"}}}, r"needs items.deliveries"),
        ({"items": {"from": "events", "columns": {"price": "p"}}}, r"item_id and price are known"),
    ],
)
def test_a_wrong_mapping_is_refused_by_file_and_key(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=rf"shop\.yaml: .*{said}"):
        mapping.load(write(tmp_path, change))


def test_a_column_that_the_file_lacks_is_named_with_key_and_file(tmp_path: Path) -> None:
    source = mapping.load(write(tmp_path))
    with pytest.raises(BadInput, match=r"shop\.yaml: events\.columns\.item_id reads column 'what', which f\.csv"):
        source.check_columns("events", ["who", "stamp", "kind"], "f.csv")


def test_no_file_and_no_yaml_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no source mapping at"):
        mapping.load(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(BadInput, match="is no YAML"):
        mapping.load(tmp_path / "bad.yaml")
    (tmp_path / "list.yaml").write_text("- a")
    with pytest.raises(BadInput, match="expected keys such as"):
        mapping.load(tmp_path / "list.yaml")


@pytest.mark.parametrize(
    ("period", "pattern", "first"),
    [("day", "x/{ds}.csv", "2026-02-03"), ("month", "%Y-%b.csv", "2026-02-01"), ("all", "log.csv", "1970-01-01")],
)
def test_a_landing_stands_under_the_first_day_of_its_file(
    tmp_path: Path, period: str, pattern: str, first: str
) -> None:
    source = mapping.load(write(tmp_path, {"deliveries.period": period, "deliveries.pattern": pattern}))
    assert source.deliveries.first_day(date(2026, 2, 3)).isoformat() == first
