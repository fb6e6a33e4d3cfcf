"""The docs site builds with strict links, fetches nothing from font or analytics servers, and shows every page."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MKDOCS = ROOT / ".venv" / "tools" / "bin" / "mkdocs"
pytestmark = pytest.mark.skipif(not MKDOCS.exists(), reason="mkdocs is not installed (requirements-tools.txt)")


def build(config: Path, place: Path) -> subprocess.CompletedProcess[str]:
    command = [MKDOCS, "build", "--strict", "--config-file", config, "--site-dir", place]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200)


def test_the_site_is_built_and_self_contained(tmp_path: Path) -> None:
    done = build(ROOT / "mkdocs.yml", tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    pages = {str(page.relative_to(tmp_path).with_suffix("")) for page in tmp_path.rglob("*.html")}
    sources = {str(page.relative_to(ROOT / "docs").with_suffix("")) for page in (ROOT / "docs").rglob("*.md")}
    assert sources <= pages
    for page in tmp_path.rglob("*.html"):
        html = page.read_text()
        assert not re.search(r"(fonts\.g|google-analytics|googletagmanager|gstatic)", html), page.name
        assert not re.search(r'<(script|link)[^>]+(src|href)="https?://(?!squidfunk)', html), page.name
    start = (tmp_path / "index.html").read_text()
    assert "decisions/0004-publication.html" in start
    assert 'class="mermaid"' in (tmp_path / "architecture.html").read_text()


def test_a_broken_link_fails(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text("# Here\n\n[there](there.md) and [nowhere](#nowhere)\n")
    nav = "docs_dir: docs\nhooks: []\nnav: [index.md]\n"
    (tmp_path / "mkdocs.yml").write_text(f"INHERIT: {ROOT / 'mkdocs.yml'}\n{nav}")
    done = build(tmp_path / "mkdocs.yml", tmp_path / "site")
    assert done.returncode != 0
    assert "there.md" in done.stderr
    assert "nowhere" in done.stderr
