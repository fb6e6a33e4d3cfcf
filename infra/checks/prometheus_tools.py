"""Prometheus, its promtool, node_exporter and the Pushgateway: from PATH, else unpacked from Debian's packages.

Nothing is installed: packages are downloaded with apt and unpacked into a folder.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from infra.embedded.layout import HOME
from lake.errors import GateFailed, Unavailable

PACKAGES = {
    "prometheus": ("prometheus", "promtool"),
    "prometheus-node-exporter": ("prometheus-node-exporter",),
    "prometheus-pushgateway": ("prometheus-pushgateway",),
}
"""Debian's packages and the programs wanted of each."""
HOUSE = HOME / "infra" / "dashboards" / "prometheus"
"""Configuration, rules and their tests."""


def programs(folder: Path) -> dict[str, str]:
    """Where each program is.

    Raises:
        Unavailable: one is neither in PATH nor can its Debian package be had.
    """
    found: dict[str, str] = {}
    for package, names in PACKAGES.items():
        here = {name: path for name in names if (path := shutil.which(name))}
        if len(here) < len(names):
            unpacked = folder / package
            unpacked.mkdir(parents=True)
            try:
                _quietly(["apt-get", "download", package], unpacked)
                [archive] = unpacked.glob("*.deb")
                _quietly(["dpkg", "-x", str(archive), "."], unpacked)
            except (OSError, ValueError, subprocess.CalledProcessError) as error:
                raise Unavailable(
                    f"{', '.join(names)}: not in PATH, and Debian's {package} is not to be had ({error})"
                ) from error
            here = {name: str(unpacked / "usr" / "bin" / name) for name in names}
        found |= here
    return found


def _quietly(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)


def version(program: str) -> str:
    """What a program says it is."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return (done.stdout or done.stderr).partition("\n")[0]


def promtool(program: str) -> dict[str, Any]:
    """Check configuration and rules, run the rules' unit tests.

    Raises:
        GateFailed: promtool refuses one; the message has what it says.
    """
    rules, tests = (sorted((HOUSE / name).glob("*.yml")) for name in ("rules", "tests"))
    for command in (
        ["check", "config", "prometheus.yml"],
        ["check", "rules", *map(str, rules)],
        ["test", "rules", *map(str, tests)],
    ):
        done = subprocess.run([program, *command], cwd=HOUSE, capture_output=True, text=True)
        if done.returncode:
            raise GateFailed(f"promtool {' '.join(command[:2])}: {done.stdout[-3000:]}{done.stderr[-1000:]}")
    loaded = [yaml.safe_load(path.read_text()) for path in rules]
    cases = [yaml.safe_load(path.read_text())["tests"] for path in tests]
    return {
        "alerts": sum(len(group["rules"]) for file in loaded for group in file["groups"]),
        "rule_tests": sum(len(test["alert_rule_test"]) for file in cases for test in file),
    }
