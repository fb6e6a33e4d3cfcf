"""Apply, an empty second plan and destroy of an environment against moto's AWS, its state in S3 with a lock file.

What the emulator cannot do stands in `infra/terraform/emulator_gaps.json`, each with its reason: resources that it does
not take are replaced by plain values in the copy, and attributes that it gives back otherwise may differ in the second
plan. Anything else that fails or differs fails the check; a gap that no longer shows is reported. A green apply proves
wiring, not that AWS would accept it.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.checks.terraform_workspace import MOCK, MOCK_ACCOUNT, SOURCE, TerraformFailed, Workspace

GAPS = SOURCE / "emulator_gaps.json"
STATE_BUCKET = "terraform-state"
PROVIDER = """
provider "aws" {
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  s3_use_path_style           = true
  max_retries                 = 2
}
"""


@dataclass(frozen=True)
class Gaps:
    """What is known of the emulator."""

    not_applied: list[dict[str, Any]]
    """Resources it does not take: `module`, `resource`, `stands_in` (attribute to HCL expression), `reason`."""
    overrides: list[dict[str, Any]]
    """Attributes that it wants and AWS does not: `module`, `resource`, `attributes` (HCL expressions), `reason`."""
    differs: list[dict[str, Any]]
    """Differences of a second plan: `address` (a regular expression), `attributes`, `reason`."""

    @classmethod
    def read(cls, path: Path = GAPS) -> "Gaps":
        """The file's."""
        return cls(**json.loads(path.read_text()))


def stand_in(files: Mapping[str, str], resource: str, values: Mapping[str, str]) -> dict[str, str]:
    """A module's files with one resource replaced by a local value that has the attributes others read.

    Raises:
        ValueError: the module has no such resource, or several.
    """
    kind, name = resource.split(".")
    block = re.compile(rf'^resource "{kind}" "{name}" {{\n.*?^}}\n', re.MULTILINE | re.DOTALL)
    found = sum(len(block.findall(text)) for text in files.values())
    if found != 1:
        raise ValueError(f"{resource}: found {found} such blocks, expected one; correct {GAPS.name}")
    local = f"emulated_{kind}_{name}"
    body = "\n".join(f"    {attribute} = {value}" for attribute, value in values.items())
    made = {path: block.sub("", text).replace(resource, f"local.{local}") for path, text in files.items()}
    return made | {f"{local}.tf": f"locals {{\n  {local} = {{\n{body}\n  }}\n}}\n"}


def changes(plan: Mapping[str, Any]) -> dict[str, set[str]]:
    """Address to the attributes that a plan (`terraform show -json`) would change, or `create`, `delete` for it all."""
    found: dict[str, set[str]] = {}
    for each in plan.get("resource_changes", []):
        change = each["change"]
        actions = set(change["actions"]) - {"no-op", "read"}
        if not actions or each["mode"] != "managed":
            continue
        before, after, unknown = change["before"] or {}, change["after"] or {}, change.get("after_unknown") or {}
        if actions == {"update"} or actions == {"create", "delete"}:
            found[each["address"]] = {
                name for name in {*before, *after, *unknown} if unknown.get(name) or before.get(name) != after.get(name)
            } - {"id"}
        else:
            found[each["address"]] = actions
    return found


def held(found: Mapping[str, set[str]], gaps: Gaps) -> tuple[list[str], list[str]]:
    """Differences that no gap explains, and gaps that explain none."""
    unlisted, used = [], set()
    for address, attributes in sorted(found.items()):
        known: set[str] = set()
        for number, gap in enumerate(gaps.differs):
            if re.fullmatch(gap["address"], address) and attributes & set(gap["attributes"]):
                known |= set(gap["attributes"])
                used.add(number)
        if left := attributes - known:
            unlisted.append(f"{address}: {', '.join(sorted(left))}")
    return unlisted, [gap["address"] for number, gap in enumerate(gaps.differs) if number not in used]


@contextmanager
def emulator() -> Iterator[str]:
    """URL of an empty AWS that has AWS's own IAM policies."""
    import logging

    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"  # read when moto is imported
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield "http://{}:{}".format(*server.get_host_and_port())
    finally:
        server.stop()


def prepare(work: Workspace, environment: str, url: str, gaps: Gaps) -> str:
    """Point a copy at the emulator and put stand-ins where it has gaps; returns the folder."""
    for gap in gaps.not_applied:
        folder = work.folder / "modules" / gap["module"]
        files = {path.name: path.read_text() for path in folder.glob("*.tf")}
        for name, text in stand_in(files, gap["resource"], gap["stands_in"]).items():
            (folder / name).write_text(text)
    for gap in gaps.overrides:
        kind, name = gap["resource"].split(".")
        body = "\n".join(f"  {attribute} = {value}" for attribute, value in gap["attributes"].items())
        override = work.folder / "modules" / gap["module"] / f"{kind}_{name}_override.tf"
        override.write_text(f'resource "{kind}" "{name}" {{\n{body}\n}}\n')
    where = f"envs/{environment}"
    (work.folder / where / "emulator_override.tf").write_text(PROVIDER)
    (work.folder / where / "backend.hcl").write_text(
        f'bucket = "{STATE_BUCKET}"\nkey = "nightshelf/{environment}.tfstate"\nregion = "{MOCK["AWS_REGION"]}"\n'
        "use_path_style = true\nskip_credentials_validation = true\nskip_metadata_api_check = true\n"
        f'skip_requesting_account_id = true\nskip_region_validation = true\nendpoints = {{ s3 = "{url}" }}\n'
    )
    work.environment |= {
        **MOCK,
        "AWS_ENDPOINT_URL": url,
        "TF_VAR_account_id": MOCK_ACCOUNT,
        "TF_VAR_image_tag": "0.5.0",
    }
    work.environment |= {"TF_VAR_spark_image": "false", "TF_VAR_alarm_emails": '["night@example.com"]'}
    return where


def leaks(url: str, *texts: str) -> list[str]:
    """Names of secrets in the emulator whose value stands in one of the texts (state, plan)."""
    client = _client("secretsmanager", url)
    names = [each["Name"] for page in client.get_paginator("list_secrets").paginate() for each in page["SecretList"]]
    if not names:
        raise TerraformFailed("no secret was written at all")
    values = {name: client.get_secret_value(SecretId=name)["SecretString"] for name in names}
    return sorted(name for name, value in values.items() if any(value in text for text in texts))


def cycle(work: Workspace, environment: str, gaps: Gaps) -> dict[str, Any]:
    """Apply, plan again, destroy.

    Returns:
        `resources` applied, `unlisted` differences and `stale` gaps, `leaked` secrets, what was `left` behind.

    Raises:
        TerraformFailed: apply or destroy did not work.
    """
    with emulator() as url:
        _client("s3", url).create_bucket(
            Bucket=STATE_BUCKET, CreateBucketConfiguration={"LocationConstraint": MOCK["AWS_REGION"]}
        )
        where = prepare(work, environment, url, gaps)
        work.run(where, "init", "-input=false", "-no-color", "-backend-config=backend.hcl")
        work.run(where, "apply", "-auto-approve", "-input=false", "-no-color")
        resources = work.run(where, "state", "list").stdout.splitlines()
        state = work.run(where, "state", "pull").stdout
        work.run(where, "plan", "-input=false", "-no-color", "-detailed-exitcode", "-out=again.tfplan", good=(0, 2))
        plan = work.run(where, "show", "-json", "again.tfplan").stdout
        unlisted, stale = held(changes(json.loads(plan)), gaps)
        figures = {
            "resources": sum(1 for address in resources if ".data." not in address and not address.startswith("data.")),
            "secrets_in_state_or_plan": leaks(url, state, plan),
            "unlisted_differences": unlisted,
            "stale_gaps": stale,
        }
        work.run(where, "destroy", "-auto-approve", "-input=false", "-no-color")
        return figures | {"left_after_destroy": work.run(where, "state", "list").stdout.splitlines()}


def _client(service: Any, url: str) -> Any:
    import boto3

    return boto3.client(
        service,
        endpoint_url=url,
        region_name=MOCK["AWS_REGION"],
        aws_access_key_id=MOCK["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=MOCK["AWS_SECRET_ACCESS_KEY"],
    )
