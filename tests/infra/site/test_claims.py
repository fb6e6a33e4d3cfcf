"""Commands that docs/verified.md names exist: make targets, checks, parts, modules, test folders, results."""

import importlib.util
import re
from pathlib import Path

import pytest

from infra.checks.__main__ import CHECKS

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "verified.md"


def rows() -> list[list[str]]:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def fault(command: str) -> str | None:
    """Why a command cannot be run here; None where it can."""
    words = command.split()
    if words[0] == "make":
        targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
        checks = [check for word in words if word.startswith("CHECKS=") for check in word[7:].split(",")]
        if words[1] not in targets:
            return f"no target {words[1]}"
        return next((f"no check {check}" for check in checks if check not in CHECKS), None)
    if words[:2] == [".venv/bin/python", "-m"]:
        places = [word for word in words[3:] if "/" in word and not word.startswith("-")]
        if importlib.util.find_spec(words[2]) is None:
            return f"no module {words[2]}"
        return next((f"no {place}" for place in places if not (ROOT / place).exists()), None)
    return "neither a make target nor a module"


def test_every_row_has_a_command_that_exists_and_says_what_it_does_not_show() -> None:
    found = rows()
    assert len(found) >= 12
    for row in found:
        assert len(row) == 4, row
        claim, command, result, missing = row
        assert all((claim, result, missing)), row
        commands = re.findall(r"`([^`]+)`", command)
        assert commands, f"{claim}: no command"
        assert {each: why for each in commands if (why := fault(each))} == {}, claim


def test_every_check_has_a_row() -> None:
    named = " ".join(row[1] for row in rows())
    assert [check for check in CHECKS if f"CHECKS={check}" not in named] == []


@pytest.mark.parametrize(
    "command", ["make verified", "make verify CHECKS=moon", ".venv/bin/python -m infra.bench.moon", "python x.py"]
)
def test_what_does_not_exist_is_found(command: str) -> None:
    assert fault(command)
