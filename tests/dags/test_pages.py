"""The pages beside Airflow's own."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def pages() -> Any:
    path = Path(__file__).resolve().parents[2] / "dags" / "plugins" / "pages.py"
    spec = importlib.util.spec_from_file_location("pages", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def var(tmp_path: Path) -> Path:
    report = tmp_path / "reports" / "judging" / "2026-11-22.html"
    report.parent.mkdir(parents=True)
    report.write_text("<h1>keep</h1>")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "user_key").write_text("secret")
    return tmp_path


def test_a_report_is_found(pages: Any, var: Path) -> None:
    assert pages.find(var, "reports", "judging/2026-11-22.html") == var / "reports" / "judging" / "2026-11-22.html"


@pytest.mark.parametrize(
    ("area", "path"),
    [
        ("reports", "../secrets/user_key"),
        ("reports", "/etc/passwd"),
        ("secrets", "user_key"),
        ("reports", "judging/../../secrets/user_key"),
        ("reports", "judging/none.html"),
    ],
)
def test_nothing_else_is(pages: Any, var: Path, area: str, path: str) -> None:
    assert pages.find(var, area, path) is None


def test_a_folder_lists_the_newest_first(pages: Any, var: Path) -> None:
    folder = var / "reports" / "judging"
    (folder / "2026-11-23.html").write_text("")
    page = pages.listing(folder, "judging")
    assert 0 < page.index("2026-11-23.html") < page.index("2026-11-22.html")


def test_strangers_are_turned_away(pages: Any, var: Path) -> None:
    from fastapi.testclient import TestClient

    answer = TestClient(pages.build_app(var)).get("/reports/judging/2026-11-22.html")
    assert answer.status_code in (401, 403)
    assert "keep" not in answer.text
