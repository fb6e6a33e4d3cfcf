"""The committed page of tables says what the definitions say."""

from pathlib import Path

from lake.tables import TABLES, document
from lake.tables.definition import Column, Table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tables.md"


def test_committed_page_is_current() -> None:
    told = "docs/tables.md is out of date: python -m lake.tables.document > docs/tables.md"
    assert PAGE.read_text(encoding="utf-8") == document.markdown(), told


def test_every_column_of_every_table_is_on_the_page() -> None:
    sections = document.markdown().split("\n## ")[1:]
    assert [section.splitlines()[0] for section in sections] == list(TABLES)
    for section, table in zip(sections, TABLES.values(), strict=True):
        rows = [line for line in section.splitlines() if line.startswith("| `")]
        assert [row.split("`")[1] for row in rows] == table.column_names


def test_rules_and_bars_in_text_are_spelled_out(monkeypatch) -> None:
    table = Table(
        name="t",
        description="d",
        clock="c",
        engine="spark",
        key=("a",),
        columns=(
            Column("a", "int", "this | that", minimum=0, maximum=9, severity="warn"),
            Column("ds", "string", "day", allowed=("x", "y"), null="unknown"),
        ),
    )
    monkeypatch.setattr(document, "TABLES", {"t": table})
    page = document.markdown()
    assert r"| `a` | int |  | this \| that |  | at least 0; at most 9; *warn* |" in page
    assert "| `ds` | string |  | day | unknown | one of `x`, `y` |" in page
