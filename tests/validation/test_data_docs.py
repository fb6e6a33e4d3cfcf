"""The Data Docs under several writers, and what is kept of them."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lake.errors import GateFailed
from lake.settings import Settings
from tests.validation.planted import DAY, changed, lists, table
from validation.data_docs import folder, one_index, prune, results
from validation.gate import validate

WRITER = """
import sys
from pathlib import Path
from lake.errors import GateFailed
from lake.settings import Settings
from tests.validation.planted import DAY, lists, table
from validation.gate import gate
settings = Settings(var=Path(sys.argv[1]), pseudonymise=False)
for _ in range(3):
    print(gate("lists", table("lists", lists()), DAY, settings=settings, context={"list_length": 5}).docs_url)
"""


@pytest.mark.integration
def test_two_processes_at_once_leave_every_page_and_write_nowhere_else(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    home = tmp_path / "home"
    home.mkdir()
    command = [sys.executable, "-c", WRITER, str(tmp_path / "var")]
    environment = {"PYTHONPATH": str(root), "HOME": str(home), "PATH": "/usr/bin:/bin"}
    both = [
        subprocess.Popen(command, cwd=home, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    pages = [url for out, _ in outputs for url in out.split()]
    index = (tmp_path / "var" / "data_docs" / "index.html").read_text()
    assert len(set(pages)) == 6
    assert all(Path(url.removeprefix("file://")).is_file() for url in pages)
    assert index.rstrip().endswith("</html>")
    assert list(home.rglob("*")) == []


@pytest.mark.integration
def test_several_gates_make_one_index_also_when_one_stops_the_line(tmp_settings: Settings) -> None:
    index, pages = folder(tmp_settings) / "index.html", []

    def validated() -> None:
        report = validate("lists", table("lists", lists()), DAY, settings=tmp_settings, context={"list_length": 5})
        pages.append(Path(report.docs_url.removeprefix("file://")))

    def stopped() -> None:
        with one_index(tmp_settings):
            validated()
            validated()
            assert all(page.is_file() for page in pages)
            assert not index.exists()
            raise GateFailed("stopped")

    with pytest.raises(GateFailed, match="stopped"):
        stopped()
    assert all(str(page.relative_to(folder(tmp_settings))) in index.read_text() for page in pages)
    index.unlink()
    validated()
    assert index.is_file()


def test_prune_keeps_the_newest_of_all_suites(tmp_settings: Settings) -> None:
    stamps = [f"2026112{n}T000000.000000Z" for n in range(6)]
    for n, stamp in enumerate(stamps):
        for root, kind in ((results(tmp_settings), "json"), (folder(tmp_settings) / "validations", "html")):
            run = root / ("events" if n % 2 else "lists") / "day" / stamp
            run.mkdir(parents=True)
            (run / f"x.{kind}").touch()
    assert prune(tmp_settings, 2) == 4
    assert sorted(path.parent.name for path in results(tmp_settings).rglob("*.json")) == stamps[4:]
    assert sorted(path.parent.name for path in folder(tmp_settings).rglob("*.html")) == stamps[4:]
    assert prune(tmp_settings, 2) == 0


class Page(HTMLParser):
    """What a browser would fetch for a page, and where its links lead."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = {key: value or "" for key, value in attrs}
        if tag == "a":
            self.links.append(of.get("href", ""))
        elif tag in ("script", "img", "link", "iframe", "object", "embed", "source"):
            self.fetched.append(f"{tag} {of.get('src') or of.get('href') or of.get('data') or 'inline'}")


def test_no_page_fetches_anything(tmp_settings: Settings) -> None:
    reasons = {'event_type: unknown <img src="http://elsewhere/x">': 70}
    validate("lists", table("lists", lists()), DAY, settings=tmp_settings, context={"list_length": 5})
    broken = validate("lists", table("lists", changed(lists(), 3, kind="usr")), DAY, settings=tmp_settings)
    told = validate("raw", None, DAY, settings=tmp_settings, context={"raw": 100, "reasons": reasons})
    files = list(folder(tmp_settings).rglob("*.html"))
    assert len(files) == 4
    for file in files:
        page = Page(file)
        assert page.fetched == [], file
        assert re.findall(r"url\(|@import", page.text) == [], file
        assert "default-src 'none'" in page.text, "what a template might still ask for is not given"
    index = Page(folder(tmp_settings) / "index.html")
    runs = [folder(tmp_settings) / link for link in index.links if not link.startswith("http")]
    assert [run.as_uri() for run in runs[:2]] == [told.docs_url, broken.docs_url], "newest first, without a script"
    assert all(run.is_file() for run in runs)
    assert len(runs) == 3
    page = Page(Path(told.docs_url.removeprefix("file://")))
    assert "unknown &lt;img" in page.text, "a shop's value is text"
    assert (runs[0].parent / "../../../../index.html").resolve() in [(runs[0].parent / x).resolve() for x in page.links]
