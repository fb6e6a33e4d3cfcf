"""The gate on lists: Arrow rows through DuckDB and Great Expectations; each breach is planted."""

import random
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import pytest

from lake.errors import BadInput, GateFailed
from lake.settings import Settings
from tests.validation.planted import DAY, changed, lists, table
from validation.gate import GateReport, gate, validate

K = 5
Lists = list[dict[str, Any]]


def checked(settings: Settings, rows: Lists, **context: Any) -> GateReport:
    return validate("lists", table("lists", rows), [DAY], settings=settings, context={"list_length": K, **context})


def test_clean_lists_pass(tmp_settings: Settings) -> None:
    report = checked(tmp_settings, lists(), expected_users={"home": 12})
    assert report.success
    assert (report.failures, report.warnings) == ((), ())
    assert report.rows == 14 * K
    assert report.checks > 20


FAILING: dict[str, tuple[Callable[[Lists], Lists], str, str, int]] = {
    "null_source": (lambda rows: changed(rows, 3, 9, source=None), "source", "not NULL", 2),
    "unknown_kind": (lambda rows: changed(rows, *range(5), kind="usr"), "kind", "one of user, item, segment", 5),
    "score_not_finite": (lambda rows: changed(rows, 7, score=float("nan")), "score", "finite", 1),
    "rank_below_minimum": (lambda rows: changed(rows, 0, rank=0), "rank", "at least 1", 1),
    "rank_gap": (lambda rows: changed(rows, 4, rank=9), "rank", "1..n without gaps in every list", 1),
    "rank_twice": (lambda rows: changed(rows, 1, rank=1), "surface and kind and owner and rank",
                   "unique together within a day", 1),
    "item_twice": (lambda rows: changed(rows, 1, item_id="i1"), "item_id", "once in every list", 1),
    "too_long": (lambda rows: [*rows, rows[K - 1] | {"rank": 6, "item_id": "i6"}], "owner",
                 "lists no longer than K", 1),
    "no_segment_all": (lambda rows: changed(rows, *range(65, 70), owner="country=GB"), "owner",
                       "a segment list 'all' for every surface with segments", 1),
    "item_recommends_itself": (lambda rows: changed(rows, 62, item_id="i90"), "item_id", "not the item itself", 1),
    "another_day": (lambda rows: changed(rows, *range(5), ds="2026-11-22"), "ds", "one of the days of this run", 5),
    "users_lost": (lambda rows: [row for row in rows if row["kind"] != "user" or row["owner"] < "u04"], "owner",
                   "lists for at least 50% of the active users", 1),
    "empty": (lambda rows: [], "", "at least one row a day", 0),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILING)
def test_planted_breach_is_found(tmp_settings: Settings, name: str) -> None:
    plant, column, rule, offending = FAILING[name]
    report = checked(tmp_settings, plant(lists()), expected_users={"home": 12})
    found = {(breach.column, breach.rule): breach for breach in report.failures}
    assert not report.success
    assert (column, rule) in found, [str(each) for each in report.failures]
    assert found[column, rule].offending == offending


def test_missing_column_and_wrong_type_fail_without_breaking_the_rest(tmp_settings: Settings) -> None:
    rows = table("lists", lists()).drop_columns(["reason"])
    rows = rows.set_column(rows.column_names.index("score"), "score", rows["score"].cast("string"))
    report = validate("lists", rows.append_column("extra", rows["rank"]), DAY, settings=tmp_settings)
    assert [each.rule for each in report.failures] == ["columns: none missing", "columns: of the defined types"]
    assert report.failures[0].sample == ("reason",)
    assert "score is string, not double" in report.failures[1].observed
    assert [each.sample for each in report.warnings if each.rule == "columns: none unknown"] == [("extra",)]
    assert any("reason, score" in note for note in report.notes)


def test_short_lists_are_told_and_do_not_stop(tmp_settings: Settings) -> None:
    short = [row for row in lists() if not (row["owner"] in ("u00", "u01") and row["rank"] == K)]
    report = gate("lists", table("lists", short), DAY, settings=tmp_settings, context={"list_length": K})
    assert report.success
    assert [(each.column, each.severity) for each in report.warnings] == [("owner", "warn")]
    assert report.warnings[0].observed.startswith("0.1667")


def test_gate_names_table_column_value_and_what_stays(tmp_settings: Settings, told: Any) -> None:
    broken = table("lists", changed(lists(), 3, 9, 11, kind="usr"))
    with pytest.raises(GateFailed) as caught:
        gate("lists", broken, DAY, settings=tmp_settings, context={"list_length": K})
    message = str(caught.value)
    assert caught.value.exit_code == 66
    assert f"lists.kind: one of user, item, segment - found 3 of 70 rows on {DAY}; for example 'usr' (3x)" in message
    assert "the previous lists serve" in message
    assert "file://" in message
    assert told("nightshelf_gate_success") == {("lists",): 0}
    assert told("nightshelf_gate_failed_checks")[("lists",)] >= 1
    assert told("nightshelf_gate_rows") == {("lists",): 70}
    gate("lists", table("lists", lists()), DAY, settings=tmp_settings, context={"list_length": K})
    assert told("nightshelf_gate_success") == {("lists",): 1}


def test_order_of_rows_does_not_matter_and_input_is_unchanged(tmp_settings: Settings) -> None:
    rows = changed(lists(), 1, 7, 22, 41, kind="usr")
    rows = changed(rows, 8, 30, item_id=None)
    shuffled = random.Random(7).sample(rows, len(rows))
    given = table("lists", shuffled)
    reports = [asdict(checked(tmp_settings, each)) for each in (rows, given.to_pylist())]
    for report in reports:
        del report["docs_url"], report["seconds"]
    assert reports[0] == reports[1]
    assert given.equals(table("lists", shuffled))


def test_data_docs_page_names_table_and_rule(tmp_settings: Settings) -> None:
    report = checked(tmp_settings, changed(lists(), 0, kind="usr"))
    page = Path(unquote(urlparse(report.docs_url).path))
    assert tmp_settings.var.absolute() in page.parents
    assert "kind: one of user, item, segment" in page.read_text()
    assert "lists" in Path(unquote(urlparse(report.docs_index).path)).read_text()
    assert report.to_dict()["days"] == [DAY, DAY]


def test_pandas_frame_is_as_good(tmp_settings: Settings) -> None:
    frame = table("lists", lists()).to_pandas()
    assert validate("lists", frame, DAY, settings=tmp_settings, context={"list_length": K}).success


def test_unknown_table_and_no_day_are_refused(tmp_settings: Settings) -> None:
    with pytest.raises(BadInput, match="expected raw or one of events"):
        validate("basket", None, DAY, settings=tmp_settings)
    with pytest.raises(BadInput, match="at least one day"):
        validate("lists", None, [], settings=tmp_settings)


def test_a_surface_may_do_without_segments_full_lists_and_lists_at_all(tmp_settings: Settings) -> None:
    again = [row | {"surface": "again"} for row in lists() if row["kind"] == "user" and row["rank"] <= 2]
    told = {
        "list_length": {"home": K, "again": K, "basket": K},
        "full_length": {"home": K},
        "expected_users": {"home": 12},
        "fallbacks": ["home"],
    }
    rows = [*lists(), *again]
    report = validate("lists", table("lists", rows), [DAY], settings=tmp_settings, context=told)
    assert report.success
    assert not report.warnings
    for missing, wanted in (("home", "lists for each of home"), ("again", "")):
        left = [row for row in rows if row["surface"] != missing]
        report = validate("lists", table("lists", left), [DAY], settings=tmp_settings, context=told)
        assert report.success == (missing == "again")
        assert not wanted or wanted in str(report.failures)
