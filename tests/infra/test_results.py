"""What a result says of the commit that it was measured on."""

import shutil
import subprocess
from pathlib import Path

import pytest

from infra.checks.results import FOLDER, commit
from infra.embedded.layout import HOME

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="no git here")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with one file of code and one result, both committed."""
    for file in (tmp_path / "code.py", _result(tmp_path)):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("1")
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "all"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    return tmp_path


def _result(checkout: Path) -> Path:
    return checkout / FOLDER.relative_to(HOME) / "bench.json"


def test_a_result_that_was_just_written_does_not_make_the_code_another(checkout: Path) -> None:
    _result(checkout).write_text("2")
    assert not commit(checkout).endswith("-dirty")


def test_changed_code_is_told(checkout: Path) -> None:
    clean = commit(checkout)
    (checkout / "code.py").write_text("2")
    assert commit(checkout) == f"{clean}-dirty"


def test_outside_a_checkout_the_commit_is_unknown(tmp_path: Path) -> None:
    assert commit(tmp_path) == "unknown"
