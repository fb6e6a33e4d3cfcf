"""The workflows are what GitHub's schema allows, pin what they use, may do little, and name only what exists here."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TOOLS = ROOT / ".venv" / "tools" / "bin"
SCHEMA = TOOLS / "check-jsonschema"
OF_THE_RUNNER = {"terraform", "gh", "mkdir", "printf"}
"""Programs that the runner or an action brings."""


def workflow(path: Path) -> dict[str, Any]:
    return yaml.load(path.read_text(), Loader=yaml.BaseLoader)


def steps() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for path in WORKFLOWS:
        for name, job in workflow(path)["jobs"].items():
            for step in job["steps"]:
                yield f"{path.name}: {name}", job, step


def targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))


def faults(command: str) -> list[str]:
    """What a command of a step names that is not there."""
    found: list[str] = []
    for line in command.splitlines():
        words = shlex.split(re.sub(r"\$\{\{.*?\}\}", "x", line))
        if not words:
            continue
        program, rest = words[0], words[1:]
        if program == "make":
            found += [f"make {word}" for word in rest if "=" not in word and word not in targets()]
        elif program.startswith(".venv/tools/bin/"):
            name = program.removeprefix(".venv/tools/bin/")
            packages = (ROOT / "requirements-tools.in").read_text()
            if name not in packages and f"{name}-bin" not in packages and f"{name}-material" not in packages:
                found.append(program)
        elif program != "bash" and program not in OF_THE_RUNNER:
            found.append(program)
        files = [word for word in rest if re.fullmatch(r"[a-z.][\w./-]*/[\w./-]+", word) and "digests" not in word]
        found += [word for word in files if not (ROOT / word).exists()]
    return found


@pytest.mark.skipif(not SCHEMA.exists(), reason="check-jsonschema is not installed (requirements-tools.txt)")
def test_workflows_are_what_github_allows(tmp_path: Path) -> None:
    check = [SCHEMA, "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*check, *WORKFLOWS], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    broken = tmp_path / "broken.yml"
    broken.write_text(WORKFLOWS[0].read_text().replace("runs-on: ubuntu-24.04", "runs-upon: ubuntu-24.04"))
    assert subprocess.run([*check, broken], capture_output=True).returncode != 0


def test_actions_are_pinned_and_permissions_minimal() -> None:
    used = [step["uses"] for _, _, step in steps() if "uses" in step]
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@(v\d+\.\d+\.\d+|[0-9a-f]{40})", action), f"{action} is not pinned"
    for path in WORKFLOWS:
        assert workflow(path)["permissions"] == {"contents": "read"}, path.name
    wider = {name: job["permissions"] for name, job, _ in steps() if "permissions" in job}
    assert wider == {
        "release.yml: images": {"contents": "read", "packages": "write"},
        "release.yml: notes": {"contents": "write"},
    }
    for name, _, step in steps():
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] == "false", name
        assert "github.event" not in step.get("run", ""), f"{name} puts what a stranger wrote into a shell"


def test_each_command_and_file_exists() -> None:
    commands = [(name, step["run"]) for name, _, step in steps() if "run" in step]
    assert len(commands) > 8
    assert {name: found for name, command in commands if (found := faults(command))} == {}
    assert faults("make tests") == ["make tests"]
    assert faults(".venv/tools/bin/hadolint infra/images/Containerfile") == ["infra/images/Containerfile"]
    assert faults("poetry install") == ["poetry"]


def test_images_are_targets_of_the_dockerfile() -> None:
    builds = [(job, step["with"]) for _, job, step in steps() if "build-push-action" in step.get("uses", "")]
    assert len(builds) == 2
    for job, given in builds:
        dockerfile = (ROOT / given["file"]).read_text()
        stages = set(re.findall(r"^FROM .* AS ([\w-]+)$", dockerfile, re.M))
        if not stages:
            pytest.skip("the Dockerfile has no named stages")
        assert set(job["strategy"]["matrix"]["target"]) <= stages


def test_release_notes_are_the_changelogs_and_the_digests(tmp_path: Path) -> None:
    changelog, digests = tmp_path / "CHANGELOG.md", tmp_path / "digests"
    changelog.write_text("# Changelog\n\n## Unreleased\n\n- later\n\n## 1.2.0\n\n- this\n\n## 1.1.0\n\n- before\n")
    digests.mkdir()
    (digests / "spark").write_text("registry/spark@sha256:0\n")

    def notes(version: str) -> subprocess.CompletedProcess[str]:
        script = ROOT / "infra" / "site" / "release_notes.sh"
        command = ["bash", str(script), version, str(digests)]
        return subprocess.run(command, capture_output=True, text=True, env={"CHANGELOG": str(changelog), "PATH": PATH})

    done = notes("1.2.0")
    assert "- this" in done.stdout
    assert "- before" not in done.stdout
    assert "- later" not in done.stdout
    assert "* `registry/spark@sha256:0`" in done.stdout
    assert notes("2.0.0").returncode == 65


PATH = "/usr/local/bin:/usr/bin:/bin"
