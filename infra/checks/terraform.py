"""`make verify CHECKS=terraform`: all mocked tests, a life on the emulator, and what checkov finds."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from infra.checks import emulator
from infra.checks.terraform_workspace import (
    ENVIRONMENTS,
    SOURCE,
    TerraformFailed,
    Toolchain,
    Workspace,
    modules,
    toolchain,
    workspace,
)
from infra.embedded.commands import say
from lake.errors import Unavailable

SKIPS = SOURCE / "checkov_skips.json"
TOOL_BINARIES = Path(sys.prefix) / "tools" / "bin"


def check() -> tuple[dict[str, Any], bool]:
    """Figures of all three parts, and whether everything held.

    Raises:
        Unavailable: Terraform, its provider or checkov is missing.
    """
    tools = toolchain()
    if not isinstance(tools, Toolchain):
        raise Unavailable(f"{tools}: the Terraform check needs it")
    figures: dict[str, Any] = {}
    try:
        with workspace(tools) as work:
            figures["versions"] = versions(work)
            for environment in ENVIRONMENTS:
                work.validate(environment)
            figures["valid"] = list(ENVIRONMENTS)
            figures["mocked_runs"] = {}
            for module in modules():
                figures["mocked_runs"][module] = work.test(module)["passed"]
                say(f"terraform test {module}: {figures['mocked_runs'][module]} runs passed")
        with workspace(tools) as work:
            gaps = emulator.Gaps.read()
            figures["emulator"] = emulator.cycle(work, "dev", gaps)
            figures["emulator_does_not_apply"] = [f"{gap['module']}: {gap['resource']}" for gap in gaps.not_applied]
            say(f"emulator: {json.dumps(figures['emulator'])}")
        figures["checkov"] = checkov()
    except TerraformFailed as error:
        return {**figures, "error": str(error)[-3000:]}, False
    life = figures["emulator"]
    faults = ("unlisted_differences", "stale_gaps", "secrets_in_state_or_plan", "left_after_destroy")
    scan = figures["checkov"]
    return figures, not any(life[name] for name in faults) and not scan["findings"] and not scan["stale_skips"]


def versions(work: Workspace) -> dict[str, str]:
    """Terraform's own version and that of the provider an environment chose."""
    work.run("envs/dev", "init", "-backend=false", "-input=false", "-no-color")
    told: dict[str, Any] = json.loads(work.run("envs/dev", "version", "-json").stdout)
    return {"terraform": told["terraform_version"], **told["provider_selections"]}


def checkov() -> dict[str, Any]:
    """Findings outside the skip list, and skips that match nothing any more.

    Raises:
        Unavailable: checkov is not installed.
    """
    binary = shutil.which("checkov", path=str(TOOL_BINARIES)) or shutil.which("checkov")
    if binary is None:
        raise Unavailable("checkov is not installed: run `make setup`")
    done = subprocess.run(
        [binary, "--directory", str(SOURCE), "--framework", "terraform", "--output", "json", "--quiet", "--compact"],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "CHECKOV_EXPERIMENTAL_TERRAFORM_MANAGED_MODULES": "False", "LOG_LEVEL": "ERROR"},
    )
    try:
        told: dict[str, Any] = json.loads(done.stdout)
    except json.JSONDecodeError as error:
        raise TerraformFailed(f"checkov answered no JSON: {done.stdout[-500:]}{done.stderr[-1500:]}") from error
    summary = told.get("summary", told)
    if not summary.get("passed"):
        raise TerraformFailed(f"checkov looked at nothing: {summary}")
    return {
        "passed": summary["passed"],
        **judge(told.get("results", {}).get("failed_checks", []), json.loads(SKIPS.read_text())),
    }


def judge(failed: list[dict[str, Any]], skips: list[dict[str, str]]) -> dict[str, Any]:
    """Failed checks held against the skip list (`check`, the end of `resource`, `reason`)."""
    used: set[int] = set()
    findings: list[str] = []
    for each in failed:
        matching = [
            number
            for number, skip in enumerate(skips)
            if skip["check"] == each["check_id"] and _matches(skip["resource"], each["resource"])
        ]
        used.update(matching[:1])
        if not matching:
            findings.append(f"{each['check_id']} {each['resource']}: {each['check_name']}")
    stale = [f"{skip['check']} {skip['resource']}" for n, skip in enumerate(skips) if n not in used]
    return {"findings": sorted(set(findings)), "skipped": len(failed) - len(findings), "stale_skips": stale}


def _matches(wanted: str, resource: str) -> bool:
    """Whether a resource's address, seen alone or through modules, is the wanted one; instances count as one."""
    plain = re.sub(r"\[[^]]*\]", "", resource)
    return wanted == "*" or plain == wanted or plain.endswith(f".{wanted}")
