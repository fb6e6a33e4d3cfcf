"""The exposure log on its way into the table: typed, once each, late and repeated rows at home, nothing lost."""

import gzip
import json
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import impressions, land
from jobs.deliveries import Landing
from lake import mapping, storage
from lake.clock import DayRange
from lake.errors import BadInput, GateFailed
from lake.settings import Settings
from storefront.contract import user_token

DAY, NEXT = "2026-11-22", "2026-11-23"
SOURCE = """
name: shop
deliveries: {format: csv, pattern: "{ds}.csv", missing_day: normal}
events: {columns: {user_id: who, item_id: what, event_ts: at}, event_type: purchase}
impressions: {deliveries: {format: jsonl, pattern: "shown/{ds}.jsonl.gz", time_zone: Europe/London}%s}
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A shop that delivers an exposure log; the gate, which costs a second a day, is open."""
    monkeypatch.setattr("validation.gate.gate", lambda *_, **__: None)
    (tmp_path / "shop.yaml").write_text(SOURCE % "")
    house = Settings(var=tmp_path / "var", source=tmp_path / "shop.yaml", data=str(tmp_path), pseudonymise=False)
    return house.model_copy(update={"late_days": 2, "refused_fail": 1.0})


def line(user: str | None = "u1", items: Any = ("a", "b"), **more: Any) -> dict[str, Any]:
    shown = [{"item_id": item} for item in items] if isinstance(items, tuple) else items
    row = {"shown_ts": f"{DAY}T10:00:00Z", "surface": "home", "user_id": user, "list_version": "v1", "items": shown}
    return row | more


def deliver(shop: Settings, *rows: Any, ds: str = DAY) -> None:
    path = Path(shop.data) / "shown" / f"{ds}.jsonl.gz"
    path.parent.mkdir(exist_ok=True)
    texts = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    path.write_bytes(gzip.compress(b"".join(text + b"\n" for text in texts), mtime=0))


def run(shop: Settings, ds: str = DAY) -> dict[str, Any]:
    return dict(impressions.run(shop, DayRange.parse(ds)))


def table(shop: Settings, **equal: str) -> list[dict[str, Any]]:
    rows = storage.read(shop, "impressions", filters=[(name, "=", value) for name, value in equal.items()])
    found: list[dict[str, Any]] = rows.sort_by([("shown_ts", "ascending"), ("rank", "ascending")]).to_pylist()
    return found


def refused(shop: Settings) -> dict[str, str]:
    return {row["row"]: row["reason"] for row in storage.read(shop, "refused_impressions").to_pylist()}


def test_a_list_shown_becomes_a_row_an_item(shop: Settings) -> None:
    items = [{"item_id": " a "}, {"item_id": 22423, "clicked": True}, {"item_id": "Zoe\u0308", "rank": 7}]
    deliver(shop, line(" u1\t", items, experiment="e", arm="a", fallback="user", stale=True, shown_id="s1", more="x"))
    assert run(shop)["rows"] == 3
    rows = table(shop)
    assert [(row["item_id"], row["rank"], row["clicked"]) for row in rows] == [
        ("a", 1, False), ("22423", 2, True), ("Zoë", 7, False),
    ]  # fmt: skip
    row = rows[0]
    assert (row["user_id"], row["surface"], row["arm"], row["experiment"], row["fallback"], row["stale"]) == (
        "u1", "home", "a", "e", "user", True,
    )  # fmt: skip
    assert (row["shown_id"], row["list_version"], row["ds"], row["source"]) == ("s1", "v1", DAY, "shop")
    assert row["shown_ts"].isoformat() == f"{DAY}T10:00:00+00:00"


def test_shoppers_bear_the_names_that_their_events_bear(shop: Settings) -> None:
    key = "0123456789abcdef"
    deliver(shop, line(" Zoe\u0308 "))
    run(Settings(**(shop.model_dump() | {"pseudonymise": True, "user_key": key})))
    assert {row["user_id"] for row in table(shop)} == {user_token("Zoë", key.encode())}


def test_who_is_in_no_arm_is_the_control_if_there_is_an_experiment_and_somebody_known(shop: Settings) -> None:
    deliver(shop, line("u1", experiment="e"), line("u2"), line(None, experiment="e"), line("u3", arm="a"))
    run(shop)
    found = {row["user_id"]: row["arm"] for row in table(shop)}
    assert found == {"u1": "control", "u2": None, None: None, "u3": "a"}


def test_times_without_a_zone_are_the_sources(shop: Settings) -> None:
    deliver(shop, line(shown_ts="2026-07-01T00:30:00"), ds="2026-07-01")
    run(shop, "2026-07-01")
    assert {(row["shown_ts"].isoformat(), row["ds"]) for row in table(shop)} == {
        ("2026-06-30T23:30:00+00:00", "2026-06-30")
    }


def test_the_same_list_again_counts_once_and_a_later_click_is_kept(shop: Settings) -> None:
    clicked = line(items=[{"item_id": "a", "clicked": True}, {"item_id": "b"}])
    deliver(shop, line(), line())
    assert run(shop)["rows"] == 2
    deliver(shop, clicked, line("u2", shown_ts=f"{NEXT}T01:00:00Z"), ds=NEXT)
    result = run(shop, NEXT)
    assert (result["rows"], result["written"]) == (4, 2)
    first = table(shop, user_id="u1")
    assert [(row["item_id"], row["clicked"]) for row in first] == [("a", True), ("b", False)]
    assert len(storage.read(shop, "impressions")) == 4
    assert run(shop, NEXT)["written"] == 0, "the same again writes nothing"


def test_visitors_without_an_id_are_told_apart_within_a_delivery(shop: Settings) -> None:
    deliver(shop, line(None), line(None), line(None, shown_id="s"), line(None, shown_id="s"))
    assert run(shop)["rows"] == 2 * 3
    deliver(shop, line(None), line(None), ds=NEXT)
    run(shop, NEXT)
    assert len(table(shop)) == 2 * 3


def test_what_comes_late_finds_its_day_and_what_is_too_late_is_refused(shop: Settings) -> None:
    deliver(shop, line("u1"))
    run(shop)
    late, lost = line("u2", shown_ts="2026-11-22T23:00:00Z"), line("u3", shown_ts="2026-11-20T10:00:00Z")
    early = line("u4", shown_ts="2026-11-25T10:00:00Z")
    deliver(shop, late, lost, early, ds=NEXT)
    run(shop, NEXT)
    assert {row["user_id"] for row in table(shop, ds=DAY)} == {"u1", "u2"}
    assert sorted(refused(shop).values()) == [
        "shown_ts: after the day of the delivery",
        "shown_ts: more than 2 days before the delivery",
    ]


def test_corrected_bytes_replace_the_day_and_a_file_without_lines_empties_it(shop: Settings) -> None:
    deliver(shop, line("u1"), line("u2"))
    run(shop)
    deliver(shop, line("u2"))
    run(shop)
    assert {row["user_id"] for row in table(shop)} == {"u2"}
    deliver(shop)
    result = run(shop)
    assert (result["rows"], result["written"]) == (0, 1)
    assert table(shop) == []


def test_an_empty_day_is_an_answer(shop: Settings) -> None:
    assert run(shop) == {"rows": 0, "lists": 0, "refused": 0, "written": 1, "unknown": []}
    marks = storage.read(shop, "partitions", filters=[("table", "=", "impressions")]).to_pylist()
    assert [(mark["ds"], mark["rows"]) for mark in marks] == [(DAY, 0)]
    assert run(shop)["written"] == 0


BROKEN: list[tuple[Any, str]] = [
    (b'{"shown_ts": ', "row: cannot be read"),
    (b"\xff\xfe", "row: cannot be read"),
    ([1, 2], "row: no JSON object"),
    (line(surface="home@a"), "surface: "),
    (line(shown_ts="noon"), "shown_ts: "),
    ({"surface": "home", "list_version": "v", "items": [{"item_id": "a"}]}, "shown_ts: missing"),
    (line(items=[]), "items: "),
    (line(items=("a", "a")), "items: an item, or a rank, stands in the list twice"),
    (line(items=[{"item_id": "a", "rank": 0}]), "items.*.rank: "),
    (line(items=[{"item_id": "a", "rank": 1.5}]), "items.*.rank: "),
    (line(items=[{"item_id": " "}]), "items.*.item_id: not an id"),
    (line(items=[{"item_id": "a", "clicked": "yes"}]), "items.*.clicked: "),
    (line("x" * 300), "user_id: not an id"),
    (line(arm="A b"), "arm: "),
    (line(list_version=None), "list_version: "),
]


def test_broken_lines_are_kept_whole_with_the_reason(shop: Settings) -> None:
    deliver(shop, line(), *(row for row, _ in BROKEN), b"", b"   ")
    result = run(shop)
    assert (result["rows"], result["refused"], result["lists"]) == (2, len(BROKEN), 1 + len(BROKEN))
    found = refused(shop)
    for row, reason in BROKEN:
        text = row.decode("utf-8", "replace").strip() if isinstance(row, bytes) else json.dumps(row)
        assert found[text].startswith(reason), (text, found[text])


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(["u1", "u2", None]), st.integers(0, 3), st.booleans()), max_size=12))
def test_nothing_is_lost_and_nothing_counted_twice(shown: list[tuple[str | None, int, bool]]) -> None:
    with TemporaryDirectory() as name, duckdb.connect() as engine:
        folder = Path(name)
        (folder / "shop.yaml").write_text(SOURCE % "")
        house = Settings(var=folder, source=folder / "shop.yaml", data=name, pseudonymise=False)
        rows = [line(user, [{"item_id": "a", "clicked": click}], shown_id=f"s{n}") for user, n, click in shown]
        deliver(house, *rows, *(b"{" for _ in shown))
        uri = f"file://{folder}/shown/{DAY}.jsonl.gz"
        landing = Landing(date.fromisoformat(DAY), uri, (), datetime(2026, 11, 23, tzinfo=UTC), False)
        wrong, lines = impressions._read(house, mapping.load(house.source), landing, folder)
        assert (lines, len(wrong)) == (2 * len(shown), len(shown))
        found = impressions._once(engine, [str(file) for file in folder.glob("*.parquet")], DAY).to_pylist()
    clicks: dict[str, bool] = {}
    for _, n, click in shown:
        clicks[f"s{n}"] = clicks.get(f"s{n}", False) or click
    assert {row["shown_id"]: row["clicked"] for row in found} == clicks
    assert len(found) == len(clicks)


def test_a_log_with_names_of_its_own_is_mapped_and_what_is_not_known_is_told(shop: Settings) -> None:
    shop.source.write_text(SOURCE % ", columns: {user_id: customer, shown_ts: at}")
    row = line() | {"customer": "u9", "at": f"{DAY}T11:00:00Z", "referrer": "mail"}
    deliver(shop, {name: value for name, value in row.items() if name not in ("user_id", "shown_ts")})
    assert run(shop)["unknown"] == ["referrer"]
    assert {row["user_id"] for row in table(shop)} == {"u9"}
    shop.source.write_text(SOURCE % ", columns: {items: products}")
    deliver(shop, line("u1", shown_id="another"))
    with pytest.raises(BadInput, match=r"impressions\.columns\.items reads column 'products'"):
        run(shop)


def test_a_log_of_rubbish_stops_at_the_gate_and_the_day_stays(shop: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    strict = shop.model_copy(update={"refused_fail": 0.5})
    assert run(strict, NEXT)["written"] == 1, "an empty day passes"
    deliver(shop, line())
    run(strict)
    deliver(shop, line("u2"), *(line(surface=f"No {n}") for n in range(30)))
    with pytest.raises(GateFailed, match="refused rows"):
        run(strict)
    assert {row["user_id"] for row in table(shop)} == {"u1"}
    assert len(refused(shop)) == 30


def test_the_night_does_not_wait_for_the_exposure_log(shop: Settings) -> None:
    deliver(shop, b"x")
    assert land.run(shop, DayRange.parse(DAY))["deliveries"] == 0


def test_a_source_without_an_exposure_log_has_nothing_to_do(shop: Settings) -> None:
    shop.source.write_text(SOURCE.rsplit("impressions", 1)[0])
    assert run(shop)["rows"] == 0
