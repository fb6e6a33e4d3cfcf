"""The sizing guide: formulas on planted figures, honest about what is missing, and the page shows what is known."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.bench import sizing, sizing_arithmetic
from infra.bench.sizing import Bench, Row, rows
from infra.bench.sizing_arithmetic import Scale
from infra.checks.results import FOLDER, HOME
from lake.errors import BadInput

SCALE = Scale(shoppers=1_000_000, items=800_000, surfaces=2)


def figure(name: str, *ours: float, **details: Any) -> dict[str, Any]:
    return {"name": name, "ours": list(ours), "details": details}


PLANTED = Bench(
    {
        "all": {
            "commit": "abc",
            "figures": [
                figure("scoring, time at 10 x shoppers / 10", 9.0, 10.0, 30.0),
                figure("publication", 50_000.0),
                figure("Redis memory: LIST and reasons (ours, all of it)", 1_000.0),
                figure("spark jobs, later nights", 5_000.0),
                figure("training, against basic retrieval", 20_000.0),
                figure("retrieval among 200,000, approximate", 1.0, build_seconds=20.0),
            ],
        }
    }
)


def by_name(found: list[Row]) -> dict[str, Row]:
    return {row.what: row for row in found}


def test_what_is_extrapolated_follows_from_what_was_measured() -> None:
    found = by_name(rows(PLANTED, SCALE))
    expected = {
        "scoring 2,000 shoppers, home and discover, 2 threads": "10 s",
        "Redis memory, one version": "2.8 GB",  # (2 million lists + 0.8 million) x 1 kB
        "Redis memory, the two versions of a publication": "5.6 GB",
        "publication": "0.67 min",  # 2 million / 50,000 a second
        "scoring": "2.8 core hours",  # a million x 2 x 10 s / 2,000
        "index of nearest items": "160 s",  # 20 s x 4^1.5
        "Spark jobs of a night": "2.8 core hours",  # 2 x 25 million / 5,000
        "scoring, a month": "4.2 USD",
    }
    assert {what: found[what].value for what in expected} == expected
    assert {row.kind for row in found.values()} == {"measured", "extrapolated", "arithmetic", "list price"}
    for what in expected:
        assert found[what].kind == ("measured" if "2,000" in what else found[what].kind)
    assert found["publication"].kind == "extrapolated"


def test_one_surface_less_halves_what_grows_with_lists() -> None:
    one = by_name(rows(PLANTED, Scale(1_000_000, 0, surfaces=1)))
    assert one["Redis memory, one version"].value == "1 GB"
    assert one["scoring"].value == "1.4 core hours"


def test_what_was_not_measured_is_not_made_up() -> None:
    found = by_name(rows(Bench({}), SCALE))
    empty = {row.value for row in found.values() if row.kind in ("measured", "extrapolated")}
    assert empty == {"not measured yet"}


def test_memory_of_tables_and_snapshot() -> None:
    assert sizing_arithmetic.tower_bytes(1_000_000) == 1_024_000_000
    assert sizing_arithmetic.most_items(24e9) == 18_750_000
    assert sizing_arithmetic.most_items(24e9, 128) == 9_375_000
    few, more = (sizing_arithmetic.snapshot_bytes(Scale(1_000, 0, events=count)) for count in (10, 11))
    assert more - few == 1_000 * sizing_arithmetic.EVENT_BYTES


def test_an_event_takes_as_many_bytes_as_the_snapshots_arrays() -> None:
    from infra.bench.snapshot import BenchShop

    events = BenchShop.made(shoppers=50, items=30).snapshot.events
    arrays = list(vars(events).values())
    assert sum(array.dtype.itemsize for array in arrays) == sizing_arithmetic.EVENT_BYTES


def test_pages_show_what_the_commands_print() -> None:
    page = (HOME / "docs" / "sizing.md").read_text()
    now = sizing.told(Bench.read(FOLDER / "bench.json"), Scale(10_000_000, 1_000_000))
    assert sizing.renewed(page, now) == page, "docs/sizing.md is older than docs/verified/bench.json: run `make docs`"
    assert sizing_arithmetic.gpu_table() in (HOME / "docs" / "training_at_scale.md").read_text()


def test_a_missing_file_and_a_page_without_markers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="make bench"):
        Bench.read(tmp_path / "none.json")
    with pytest.raises(BadInput, match="sizing: begins"):
        sizing.renewed("# Sizing", "x")
    (tmp_path / "bench.json").write_text(json.dumps({"parts": {}}))
    assert Bench.read(tmp_path / "bench.json").commits == []
