"""docker-compose.yml: nothing in it is open, unknown, unbounded or secret."""

import json
import re
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

from dags.compute import ComputeSettings
from infra.checks import compose_file
from infra.checks.compose_services import NOT_HERE, OWN_TESTS, STAND_INS
from infra.embedded.airflow_api import POOLS
from infra.embedded.layout import HOME
from infra.images import make_secrets
from lake.settings import Settings
from storefront.service.settings import ServiceSettings

TEXT = compose_file.COMPOSE.read_text()
VALUES = compose_file.variables()
SERVICES = compose_file.read(VALUES)
ELSEWHERE = re.compile(r"^(AIRFLOW__|AWS_|MLFLOW_|POSTGRES_|GF_|SPARK_DAEMON_|SPARK_MASTER_OPTS$)")
"""Names that a third party reads."""
DAGS = {"NIGHTSHELF_SCHEDULE", "RETRY_SECONDS", "METRICS_PUSH_URL", "OPENLINEAGE_URL"}
DAGS |= {field.upper() for field in ComputeSettings.model_fields}
"""Names that the DAGs and other doors read beside the pipeline's settings."""
JOB = re.compile(r'restart: "no"  # healthcheck: none, it ends')


def test_it_follows_the_compose_specification() -> None:
    tool = HOME / ".venv" / "tools" / "bin" / "check-jsonschema"
    if not tool.exists():
        pytest.skip("check-jsonschema is not installed (requirements-tools.txt)")
    command = [tool, "--builtin-schema", "vendor.compose-spec", compose_file.COMPOSE]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_example_has_every_variable_with_its_default_and_no_other() -> None:
    asked = compose_file.asked(TEXT)
    assert asked.keys() == VALUES.keys()
    assert {name: default for name, default in asked.items() if default is not None} == VALUES
    assert compose_file.read({}) == SERVICES, "without an .env file the same services come out"


def test_a_settings_file_reaches_whatever_reads_the_pipelines_settings(tmp_path: Path) -> None:
    (tmp_path / "settings.env").write_text('# ours\nACTIVE_DAYS=30\nSPARK_CONF={"spark.a": "b"}\nLIST_LENGTH=7\n')
    compose = tmp_path / compose_file.COMPOSE.name
    compose.write_text(TEXT)
    services = compose_file.read({}, compose)
    told = {name for name, service in services.items() if service.environment.get("ACTIVE_DAYS") == "30"}
    assert told == {name for name, service in services.items() if "LAKE_ROOT" in service.environment}
    for name in told:
        assert services[name].environment["SPARK_CONF"] == '{"spark.a": "b"}'
        assert services[name].environment["LIST_LENGTH"] == "50", "what the file lists is set in .env"
    (tmp_path / "settings.env").unlink()
    assert "ACTIVE_DAYS" not in compose_file.read({}, compose)["scheduler"].environment
    assert "settings.env" in (HOME / ".gitignore").read_text().splitlines()


def test_a_restart_of_the_pushgateway_keeps_the_night() -> None:
    gateway = SERVICES["pushgateway"]
    (file,) = (word.partition("=")[2] for word in gateway.command if word.startswith("--persistence.file="))
    assert str(Path(file).parent) in gateway.volumes


def test_an_unknown_variable_is_told() -> None:
    from lake.errors import BadInput

    assert compose_file.fill("${A:-b} $$c ${D}", {"D": "e"}) == "b $c e"
    with pytest.raises(BadInput, match=r"\$\{A\} has neither value nor default"):
        compose_file.fill("${A}", {})


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_bounded_and_asked_for_its_health(name: str) -> None:
    service = SERVICES[name]
    repository, _, tag = service.image.rpartition(":")
    assert re.search(r"\d+\.\d+", tag), f"{service.image} names no version"
    if service.target:
        assert compose_file.image(service.target).command
    else:
        assert repository in STAND_INS or repository in NOT_HERE, "the native run does not know what to do with it"
    assert {"cpus", "memory", "pids"} <= service.limits.keys()
    if service.health is None:
        assert service.raw["healthcheck"] == {"disable": True}
        block = re.search(rf"^  {name}:\n((?:    .*\n|\n)*)", TEXT, re.MULTILINE)
        assert block is not None
        assert JOB.search(block[1]), "no health check and no reason"
    assert all(port.startswith("127.0.0.1:") for port in service.raw.get("ports", [])), "open to the network"
    assert "no-new-privileges:true" in service.raw["security_opt"]
    if service.target:
        assert service.raw["cap_drop"] == ["ALL"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_needs_and_mounts_only_what_there_is(name: str) -> None:
    service, document = SERVICES[name], yaml.safe_load(TEXT)
    assert service.needs.keys() <= SERVICES.keys()
    for other, condition in service.needs.items():
        ends = SERVICES[other].health is None
        assert condition == ("service_completed_successfully" if ends else "service_healthy"), (name, other)
    assert set(service.secrets) <= document["secrets"].keys()
    for source in service.volumes.values():
        if not source.startswith("./"):
            assert source in document["volumes"]
        elif source.startswith("./infra/dashboards") and not (HOME / "infra" / "dashboards").exists():
            pytest.skip("the dashboards are not in this checkout")
        else:
            assert (HOME / source).exists(), source


@pytest.mark.parametrize("name", SERVICES)
def test_every_variable_of_a_service_has_a_reader(name: str) -> None:
    service = SERVICES[name]
    known = {field.upper() for field in Settings.model_fields} | DAGS
    known |= {
        field.upper() if details.validation_alias else f"STOREFRONT_{field.upper()}"
        for field, details in ServiceSettings.model_fields.items()
    }
    strange = {
        variable
        for variable in service.environment
        if variable.removesuffix("_FILE") not in known and variable not in known and not ELSEWHERE.match(variable)
    }
    assert not strange
    files = {v: p for v, p in service.environment.items() if v.endswith("_FILE") and p.startswith("/run/secrets/")}
    told = {path.removeprefix("/run/secrets/") for path in files.values()}
    assert told <= set(service.secrets)
    if service.target:
        entrypoint = (HOME / "infra" / "images" / "entrypoint.sh").read_text()
        for variable in files:
            assert variable == "USER_KEY_FILE" or f" {variable.removesuffix('_FILE')}" in entrypoint, variable


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_handed_the_secrets_that_it_uses_and_no_other(name: str) -> None:
    raw = json.dumps({k: v for k, v in SERVICES[name].raw.items() if k != "secrets"})
    used = set(re.findall(r"/run/secrets/([a-z0-9_]+)", raw))
    for source in SERVICES[name].volumes.values():
        if source.endswith(".sh"):
            used |= {f"{who}_database_password" for who in ("airflow", "mlflow")}
    assert set(SERVICES[name].secrets) == used


def test_secrets_are_made_once_each_and_none_stands_in_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    names = make_secrets.make(folder)
    first = {name: (folder / name).read_text() for name in names}
    assert make_secrets.make(folder) == names
    assert {name: (folder / name).read_text() for name in names} == first, "a second run changes nothing"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in names} == {0o444}
    files = compose_file.secret_files(VALUES)
    assert {Path(path).name for path in files.values()} <= set(names)
    assert all(Path(path).name == name for name, path in files.items())
    assert str(Path(files["user_key"]).parent) == f"{make_secrets.FOLDER}"
    given = set(files) | {"airflow_admin_password", "redis_admin_password", "redis_writer_password", "s3_access_key"}
    assert set(names) - given == set(), "a secret that nobody uses"
    assert not re.search(r"(password|secret|key)[^:\n]*: *['\"]?[A-Za-z0-9+/_-]{16,}['\"]?$", TEXT, re.IGNORECASE)


def test_the_writer_of_the_acl_is_the_runbooks_publisher() -> None:
    runbook = (HOME / "docs" / "runbook.md").read_text()
    found = re.search(r"^ACL SETUSER publisher on >PASSWORD (.*)$", runbook, re.MULTILINE)
    assert found is not None
    acl = (HOME / "infra" / "images" / "redis" / "users.acl").read_text().splitlines()
    rules = {line.split()[1]: line.split()[2:] for line in acl}
    assert rules["default"] == ["off"]
    words = set(found[1].split())
    assert set(rules["writer"]) - {"on", "#{writer_password}", "resetchannels", "-@all"} == words
    reads = {word for word in rules["reader"] if word.startswith("+")}
    assert reads == {"+ping", "+get", "+hgetall", "+lrange", "+scan"}
    assert "%R~recs:*" in rules["reader"]


def test_the_pools_are_those_of_the_embedded_stack() -> None:
    pools = json.loads((HOME / "infra" / "images" / "airflow_pools.json").read_text())
    assert {name: pool["slots"] for name, pool in pools.items()} == POOLS


def test_what_the_native_run_replaces_is_in_the_file() -> None:
    images = {service.image.rpartition(":")[0] for service in SERVICES.values()}
    assert STAND_INS.keys() | NOT_HERE.keys() | OWN_TESTS.keys() <= images
