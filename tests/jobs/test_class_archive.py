"""The archive of Spark's classes is used where it is, and never stands in the way."""

import os
import subprocess
from pathlib import Path

import pytest

from lake import spark_options
from lake.settings import Settings


def test_the_archive_is_used_only_where_the_set_up_made_one(
    tmp_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "classes.jsa"
    monkeypatch.setattr(spark_options, "CLASS_ARCHIVE", archive)
    assert "SharedArchiveFile" not in spark_options.java_options(tmp_settings)
    archive.write_bytes(b"")
    assert f"-XX:SharedArchiveFile={archive}" in spark_options.java_options(tmp_settings)


def test_java_leaves_a_broken_archive_aside(tmp_path: Path) -> None:
    archive = tmp_path / "classes.jsa"
    archive.write_bytes(b"not an archive" * 1000)
    java = Path(os.environ["JAVA_HOME"]) / "bin" / "java" if os.environ.get("JAVA_HOME") else "java"
    done = subprocess.run([str(java), f"-XX:SharedArchiveFile={archive}", "-version"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
