"""The Data Docs under several writers, and what is kept of them."""

import subprocess
import sys
from pathlib import Path

import pytest

from lake.settings import Settings
from validation.data_docs import folder, prune, results

WRITER = """
import sys
from pathlib import Path
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
