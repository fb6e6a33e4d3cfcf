"""Terraform without the internet and without traces in the checkout: the program, the provider, a copy to work in.

The provider comes from a filesystem mirror, a folder that holds one called `registry.terraform.io`; it is looked for
where programs are installed, or named by TERRAFORM_MIRROR.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from infra.embedded.layout import HOME

SOURCE = HOME / "infra" / "terraform"
ENVIRONMENTS = ("dev", "prod")
REGISTRY = "registry.terraform.io"
ROOTS = ("/opt", "/usr/local/share", "/usr/share", "/usr/local/lib", "/var/lib", "~/.terraform.d")
MOCK_ACCOUNT = "123456789012"
MOCK = {"AWS_ACCESS_KEY_ID": "mock", "AWS_SECRET_ACCESS_KEY": "mock", "AWS_REGION": "eu-west-1"}
"""What the emulator takes for credentials, and the account that it plays."""


@dataclass(frozen=True)
class Toolchain:
    """Where Terraform and its provider are."""

    binary: str
    mirror: Path

    def configuration(self) -> str:
        """The CLI configuration: providers from the mirror and from nowhere else."""
        return f'provider_installation {{\n  filesystem_mirror {{\n    path = "{self.mirror}"\n  }}\n}}\n'


def mirror(environ: Mapping[str, str] = os.environ, roots: Sequence[str] = ROOTS) -> Path | None:
    """The folder that holds the providers, or None."""
    if given := environ.get("TERRAFORM_MIRROR"):
        return Path(given) if (Path(given) / REGISTRY).is_dir() else None
    for root in map(Path, map(os.path.expanduser, roots)):
        for found in (root / REGISTRY, *sorted(root.glob(f"*/{REGISTRY}"))):
            if found.is_dir():
                return found.parent
    return None


def toolchain() -> Toolchain | str:
    """Both, or why they are not to be had."""
    binary = shutil.which("terraform")
    if binary is None:
        return "terraform is not installed"
    folder = mirror()
    if folder is None:
        return f"no folder {REGISTRY} with providers was found; name its parent in TERRAFORM_MIRROR"
    return Toolchain(binary, folder)


class Workspace:
    """A copy of infra/terraform; the checkout is never written to."""

    def __init__(self, tools: Toolchain, folder: Path) -> None:
        self.folder = folder / "terraform"
        shutil.copytree(SOURCE, self.folder, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*", "*.tfvars"))
        self._binary = tools.binary
        configuration = folder / "terraform.tfrc"
        configuration.write_text(tools.configuration())
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
        self.environment = kept | {
            "TF_CLI_CONFIG_FILE": str(configuration),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def run(self, where: str, *arguments: str, good: Sequence[int] = (0,)) -> subprocess.CompletedProcess[str]:
        """`terraform ARGUMENTS` in a folder of the copy.

        Raises:
            TerraformFailed: it ended with another code than the good ones.
        """
        done = subprocess.run(
            [self._binary, f"-chdir={self.folder / where}", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
        )
        if done.returncode not in good:
            raise TerraformFailed(
                f"terraform {' '.join(arguments)} in {where}:\n{done.stdout[-6000:]}{done.stderr[-6000:]}"
            )
        return done

    def validate(self, environment: str) -> None:
        """Initialise and validate an environment with everything it calls.

        Raises:
            TerraformFailed: it is not valid.
        """
        where = f"envs/{environment}"
        self.run(where, "init", "-backend=false", "-input=false", "-no-color")
        self.run(where, "validate", "-no-color")

    def test(self, module: str) -> dict[str, int]:
        """`terraform test` of a module with the mocked provider.

        Returns:
            How many runs `passed`, `failed`, `errored`, were `skipped`.

        Raises:
            TerraformFailed: a run did not pass.
        """
        where = f"modules/{module}"
        self.run(where, "init", "-backend=false", "-input=false", "-no-color")
        done = self.run(where, "test", "-json", good=(0, 1))
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        summary: dict[str, Any] = next((line["test_summary"] for line in lines if "test_summary" in line), {})
        if done.returncode or not summary.get("passed"):
            faults = [_told(line["diagnostic"]) for line in lines if "diagnostic" in line and line["@level"] == "error"]
            raise TerraformFailed(f"terraform test of {module}: {summary or done.stderr}\n" + "\n".join(faults))
        return {name: int(summary[name]) for name in ("passed", "failed", "errored", "skipped")}


class TerraformFailed(Exception):
    """Terraform ended badly; the message has what it said."""


@contextmanager
def workspace(tools: Toolchain) -> Iterator[Workspace]:
    """A copy that is gone afterwards."""
    with TemporaryDirectory(prefix="nightshelf-terraform-") as folder:
        yield Workspace(tools, Path(folder))


def modules() -> list[str]:
    """Modules that have tests."""
    return sorted({path.parents[1].name for path in SOURCE.glob("modules/*/tests/*.tftest.hcl")})


def _told(diagnostic: Mapping[str, Any]) -> str:
    place = diagnostic.get("range", {})
    where = f"{place.get('filename', '')}:{place.get('start', {}).get('line', '')}"
    return f"{where} {diagnostic.get('address', '')} {diagnostic['summary']}: {diagnostic.get('detail', '')}"
