"""Terraform: layout, validity and the quick part of the mocked tests; `make verify CHECKS=terraform` does the rest."""

import json
import re
from pathlib import Path

import pytest

from dags.commands import failure
from dags.compute import ComputeSettings
from infra.checks import terraform_workspace
from infra.checks.emulator import Gaps, changes, held, stand_in
from infra.checks.terraform import judge
from infra.checks.terraform_workspace import ENVIRONMENTS, SOURCE, Toolchain, Workspace
from lake.settings import Settings
from storefront.service.settings import ServiceSettings

MODULES = sorted(path.name for path in (SOURCE / "modules").iterdir() if path.is_dir())
QUICK = ("lists_cache",)
"""Modules whose mocked tests run here; each costs some 4 s of CPU, most of it the provider's start."""

FAILING = """#!/bin/sh
case "$*" in *init*) exit 0;; esac
echo '{"@level": "error", "diagnostic": {"summary": "Invalid value", "detail": "keep_images: 3 to 500"}}'
echo '{"@level": "info", "test_summary": {"passed": 1, "failed": 0, "errored": 1, "skipped": 0}}'
exit 1
"""
"""A Terraform whose runs do not all pass."""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    tools = terraform_workspace.toolchain()
    if not isinstance(tools, Toolchain):
        pytest.skip(tools)
    return Workspace(tools, tmp_path_factory.mktemp("terraform"))


def test_everything_is_formatted(work: Workspace) -> None:
    done = work.run(".", "fmt", "-check", "-recursive", "-no-color", good=(0, 3))
    assert done.returncode == 0, f"not formatted: {done.stdout.split()}; run terraform fmt -recursive infra/terraform"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_is_valid(work: Workspace, environment: str) -> None:
    work.validate(environment)


@pytest.mark.parametrize("module", QUICK)
def test_a_module_keeps_its_promises_and_refuses_wrong_values(work: Workspace, module: str) -> None:
    assert work.test(module)["passed"] >= 2


@pytest.mark.parametrize("ending", ["exit 1", "exit 0"], ids=["a_failed_run", "no_run_at_all"])
def test_a_module_that_does_not_pass_is_noticed(tmp_path: Path, ending: str) -> None:
    program = tmp_path / "terraform-that-fails"
    program.write_text(FAILING if ending == "exit 1" else f"#!/bin/sh\n{ending}\n")
    program.chmod(0o755)
    told = "keep_images: 3 to 500" if ending == "exit 1" else "terraform test of ecr"
    with pytest.raises(terraform_workspace.TerraformFailed, match=told):
        Workspace(Toolchain(str(program), tmp_path), tmp_path).test("ecr")


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_complete(module: str) -> None:
    folder = SOURCE / "modules" / module
    for name in ("main.tf", "variables.tf", "outputs.tf", "versions.tf", "README.md"):
        assert (folder / name).is_file(), f"{module} lacks {name}"
    text = "\n".join(path.read_text() for path in (folder / "tests").glob("*.tftest.hcl"))
    assert 'run "' in text
    variables = (folder / "variables.tf").read_text()
    for name, block in re.findall(r'^variable "(\w+)" {\n(.*?)^}', variables, re.MULTILINE | re.DOTALL):
        assert "description = " in block, f"{module}: {name} says nothing of itself"
        if "validation {" in block and name != "name":
            assert re.search(rf"expect_failures = [^\]]*\bvar\.{name}\b", text), (
                f"{module}: nothing shows that {name} refuses"
            )


def test_settings_that_containers_are_given_exist() -> None:
    """A misspelt variable would be ignored without a word."""
    stack = (SOURCE / "modules" / "stack" / "main.tf").read_text()
    jobs = set(re.findall(r"^    ([A-Z][A-Z0-9_]+) +=", stack, re.MULTILINE))
    ours = {name.upper() for name in Settings.model_fields}
    others = {
        *("AWS_REGION", "AWS_DEFAULT_REGION", "TF_USE_LEGACY_KERAS", "TF_CPP_MIN_LOG_LEVEL"),
        *("MLFLOW_DISABLE_TELEMETRY", "GX_ANALYTICS_ENABLED", "SCARF_ANALYTICS", "SCARF_NO_ANALYTICS", "DO_NOT_TRACK"),
        *(name.upper() for name in ComputeSettings.model_fields),
    }
    assert {"LAKE_ROOT", "DATA", "COMPUTE", "EMR_LOGS_URI"} <= jobs
    assert jobs - ours - others == set()
    service = (SOURCE / "modules" / "storefront_ecs" / "main.tf").read_text()
    given = set(re.findall(r"^    (?:STOREFRONT_)?([A-Z][A-Z0-9_]+) +=", service, re.MULTILINE))
    fields = {name.upper() for name in ServiceSettings.model_fields}
    assert given - fields == {"AWS_DEFAULT_REGION", "DO_NOT_TRACK"}


def test_the_installation_names_variables_that_exist() -> None:
    """With `-target` an apply leaves out policies and rules that nothing refers to, and the outputs."""
    page = (SOURCE.parents[1] / "docs" / "aws.md").read_text()
    applies = re.findall(r"^terraform apply.*$", page, re.MULTILINE)
    named = set(re.findall(r"-var (\w+)=", "\n".join(applies)))
    assert named == {"services_running", "spark_image"}
    assert [line for line in applies if "-target" in line] == []
    for environment in ENVIRONMENTS:
        folder = SOURCE / "envs" / environment
        declared = set(re.findall(r'^variable "(\w+)"', (folder / "variables.tf").read_text(), re.MULTILINE))
        passed_on = set(re.findall(r"^  (\w+) += var\.\1$", (folder / "main.tf").read_text(), re.MULTILINE))
        assert named <= declared & passed_on


def test_alarms_look_for_what_the_code_says() -> None:
    text = (SOURCE / "modules" / "observability" / "main.tf").read_text()
    sentences = dict(re.findall(r'^    (\w+) += "\\"(.*)\\""$', text, re.MULTILINE))
    assert sentences["GateFailed"] in str(failure("jobs.lists", 66, 1))
    assert sentences["BadInput"] in str(failure("jobs.day", 65, 1))
    assert sentences["Unavailable"] in str(failure("jobs.land", 75, 1))
    assert sentences["Crashed"] in str(failure("jobs.day", 1, 3))
    command = (SOURCE.parents[1] / "lake" / "command.py").read_text()
    assert "%s done in %.1f s" in command
    assert sentences["ListsPublished"] == "jobs.publish done in"


def test_the_mirror_is_found_or_named(tmp_path: Path) -> None:
    (tmp_path / "plugins" / "registry.terraform.io").mkdir(parents=True)
    assert terraform_workspace.mirror({}, [str(tmp_path)]) == tmp_path / "plugins"
    assert terraform_workspace.mirror({"TERRAFORM_MIRROR": str(tmp_path / "plugins")}, []) == tmp_path / "plugins"
    assert terraform_workspace.mirror({"TERRAFORM_MIRROR": str(tmp_path)}, [str(tmp_path)]) is None
    assert terraform_workspace.mirror({}, [str(tmp_path / "plugins" / "registry.terraform.io")]) is None


def test_a_stand_in_replaces_one_resource() -> None:
    files = {
        "main.tf": 'resource "aws_a" "this" {\n  name = "x"\n}\n\nlocals {\n  b = aws_a.this.arn\n}\n',
        "outputs.tf": 'output "arn" {\n  value = aws_a.this.arn\n}\n',
    }
    made = stand_in(files, "aws_a.this", {"arn": '"arn:x"'})
    assert 'resource "aws_a"' not in made["main.tf"]
    assert "b = local.emulated_aws_a_this.arn" in made["main.tf"]
    assert "value = local.emulated_aws_a_this.arn" in made["outputs.tf"]
    assert 'arn = "arn:x"' in made["emulated_aws_a_this.tf"]
    with pytest.raises(ValueError, match=r"aws_b\.this: found 0"):
        stand_in(files, "aws_b.this", {})


def test_differences_are_held_against_the_known_gaps() -> None:
    def change(address: str, actions: list[str], before: object, after: object) -> dict[str, object]:
        body = {"actions": actions, "before": before, "after": after, "after_unknown": {"seen": True}}
        return {"address": address, "mode": "managed", "change": body}

    plan = {
        "resource_changes": [
            change("a.x", ["update"], {"p": 1, "q": 1}, {"p": 2, "q": 1}),
            change("b.x", ["no-op"], {"p": 1}, {"p": 1}),
            change("c.x", ["create"], None, {"p": 1}),
        ]
    }
    found = changes(plan)
    assert found == {"a.x": {"p", "seen"}, "c.x": {"create"}}
    gaps = Gaps([], [], [{"address": address, "attributes": ["p"], "reason": ""} for address in (r"a\..*", "z")])
    assert held(found, gaps) == (["a.x: seen", "c.x: create"], ["z"])


def test_every_gap_and_every_skip_has_a_reason() -> None:
    gaps = json.loads((SOURCE / "emulator_gaps.json").read_text())
    skips = json.loads((SOURCE / "checkov_skips.json").read_text())
    assert all(len(gap["reason"]) > 10 for gap in gaps["not_applied"] + gaps["overrides"] + gaps["differs"])
    assert all(len(skip["reason"]) > 10 for skip in skips)


def test_checkovs_findings_are_held_against_the_skips() -> None:
    def finding(check: str, resource: str) -> dict[str, str]:
        return {"check_id": check, "resource": resource, "check_name": "name"}

    failed = [finding("C1", 'module.a["b"].aws_x.this[0]'), finding("C1", "aws_y.this"), finding("C2", "aws_x.this")]
    skips = [{"check": "C1", "resource": "aws_x.this", "reason": ""}, {"check": "C3", "resource": "*", "reason": ""}]
    assert judge(failed, skips) == {
        "findings": ["C1 aws_y.this: name", "C2 aws_x.this: name"],
        "skipped": 1,
        "stale_skips": ["C3 *"],
    }


def test_descriptions_of_security_groups_have_letters_that_ec2_takes() -> None:
    blocks = re.compile(r'^resource "aws_(?:vpc_)?security_group\w*" "\w+" {\n.*?^}', re.MULTILINE | re.DOTALL)
    text = "\n".join(path.read_text() for path in (SOURCE / "modules").glob("*/main.tf"))
    described = [found[1] for block in blocks.findall(text) if (found := re.search(r' description += "(.*)"', block))]
    assert len(described) > 20
    allowed = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]*")
    assert [words for words in described if not allowed.fullmatch(words)] == []
