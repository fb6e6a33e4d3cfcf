"""The Kubernetes manifests and charts' values: pinned, bounded, without rights, in step with docker-compose.yml."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.checks import compose_file
from infra.embedded.layout import HOME
from infra.images import make_secrets
from lake.settings import Settings
from storefront.service.settings import ServiceSettings

FOLDER = HOME / "infra" / "kubernetes"
FILES = sorted(FOLDER.rglob("*.yaml"))
VALUES = {path.name: yaml.safe_load(path.read_text()) for path in FOLDER.glob("*-values.yaml")}
DOCUMENTS: list[dict[str, Any]] = [
    document
    for path in FILES
    if not path.name.endswith("-values.yaml") and path.name != "kustomization.yaml"
    for document in yaml.safe_load_all(path.read_text())
]
BY_KIND = {(d["kind"], d["metadata"]["name"]): d for d in DOCUMENTS}
SPARK = [d for d in DOCUMENTS if d["kind"] == "SparkApplication"]
TAGS = {s.target: s.image for s in compose_file.read(compose_file.variables()).values() if s.target}
ENVIRONMENT = (
    {name.upper() for name in Settings.model_fields}
    | {
        field.upper() if details.validation_alias else f"STOREFRONT_{field.upper()}"
        for field, details in ServiceSettings.model_fields.items()
    }
    | {"AWS_REGION", "COMPUTE", "COMPUTE_TRAINING", "REDIS_URL_FILE", "NIGHTSHELF_SCHEDULE"}
)


def bytes_of(amount: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)([KMG]i?|g|)", amount).groups()  # type: ignore[union-attr]
    return (
        float(number) * {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "g": 2**30}[unit]
    )


def environments() -> Iterator[tuple[str, list[dict[str, str]]]]:
    deployment = BY_KIND["Deployment", "storefront"]["spec"]["template"]["spec"]["containers"][0]
    yield "storefront", deployment["env"]
    yield "airflow", VALUES["airflow-values.yaml"]["env"]
    for application in SPARK:
        for role in ("driver", "executor"):
            yield f"{application['metadata']['name']} {role}", application["spec"][role]["env"]


def test_there_is_what_the_docs_promise() -> None:
    kinds = {d["kind"] for d in DOCUMENTS}
    assert {"Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy"} <= kinds
    assert {"ExternalSecret", "SparkApplication", "Role", "RoleBinding"} <= kinds
    assert VALUES.keys() == {"airflow-values.yaml", "spark-operator-values.yaml"}
    assert len(SPARK) == 2


def test_kustomize_puts_everything_together() -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    names = set()
    for folder in (FOLDER, FOLDER / "spark"):
        done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        made = list(yaml.safe_load_all(done.stdout))
        names |= {(d["kind"], d["metadata"]["name"]) for d in made}
        assert {d["metadata"].get("namespace", "nightshelf") for d in made} == {"nightshelf"}
    assert names == BY_KIND.keys(), "a manifest that no kustomization names"


def test_images_are_those_of_the_compose_file() -> None:
    found = {image for path in FILES for image in re.findall(r"image: (nightshelf/\S+)", path.read_text())}
    assert found == {TAGS["storefront"], TAGS["spark"]}
    airflow = VALUES["airflow-values.yaml"]["images"]["airflow"]
    assert f"{airflow['repository']}:{airflow['tag']}" == TAGS["airflow"]
    (kustomized,) = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["images"]
    assert f"{kustomized['name']}:{kustomized['newTag']}" == TAGS["storefront"]
    assert all(not re.search(r":latest\b", path.read_text()) for path in FILES)


def test_versions_are_those_that_are_locked() -> None:
    lock = (HOME / "requirements.txt").read_text()
    airflow = re.search(r"^apache-airflow==(\S+)", lock, re.MULTILINE)
    spark = re.search(r"^pyspark==(\S+)", lock, re.MULTILINE)
    assert airflow is not None
    assert spark is not None
    assert VALUES["airflow-values.yaml"]["airflowVersion"] == airflow[1]
    assert {application["spec"]["sparkVersion"] for application in SPARK} == {spark[1]}
    for name, values in VALUES.items():
        version = re.search(r"--version (\d+\.\d+\.\d+)", (FOLDER / name).read_text())
        assert version is not None, f"{name} does not say of which chart"
        if name.startswith("spark"):
            assert values["image"]["tag"] == version[1]


def test_every_variable_has_a_reader_and_no_secret_is_a_value() -> None:
    for where, entries in environments():
        for entry in entries:
            assert entry["name"] in ENVIRONMENT, (where, entry["name"])
            assert entry.keys() == {"name", "value"}
            assert not re.search(r"(PASSWORD|SECRET|ACCESS_KEY)|_KEY$", entry["name"]), (where, entry["name"])
            if entry["name"].endswith("_FILE"):
                assert entry["value"].startswith("/run/secrets/nightshelf/")


def test_secrets_are_references_to_what_the_compose_file_calls_the_same(tmp_path: Path) -> None:
    names = make_secrets.make(tmp_path / "secrets")
    keys: dict[str, set[str]] = {}
    for document in DOCUMENTS:
        if document["kind"] == "ExternalSecret":
            spec = document["spec"]
            keys[spec["target"]["name"]] = {entry["secretKey"] for entry in spec["data"]}
            for entry in spec["data"]:
                assert entry["remoteRef"]["key"].removeprefix("nightshelf/") in names
    assert not any(d["kind"] == "Secret" for d in DOCUMENTS)
    volumes = BY_KIND["Deployment", "storefront"]["spec"]["template"]["spec"]["volumes"]
    used = {"storefront": next(v["secret"]["secretName"] for v in volumes if "secret" in v)}
    used |= {name.partition(" ")[0]: "nightshelf-pipeline" for name, _ in environments() if name != "storefront"}
    for where, entries in environments():
        files = {e["value"].rpartition("/")[2] for e in entries if e["name"].endswith("_FILE")}
        assert files <= keys[used[where.partition(" ")[0]]], where
    airflow = VALUES["airflow-values.yaml"]
    charts = {
        "fernetKeySecretName": "fernet-key",
        "apiSecretKeySecretName": "api-secret-key",
        "jwtSecretName": "jwt-secret",
    }
    assert all(charts[name] in keys[airflow[name]] for name in charts)
    assert "connection" in keys[airflow["data"]["metadataSecretName"]]


def test_every_container_with_a_secret_file_in_its_environment_has_the_file() -> None:
    values = VALUES["airflow-values.yaml"]
    # The chart gives `env`, `volumes`, `volumeMounts` to every container of Airflow, those that migrate and wait too.
    mounted = {mount["name"]: mount["mountPath"] for mount in values["volumeMounts"]}
    secrets = {volume["name"] for volume in values["volumes"] if "secret" in volume}
    folders = {"airflow": {mounted[name] for name in secrets}}
    pod = BY_KIND["Deployment", "storefront"]["spec"]["template"]["spec"]
    secrets = {volume["name"] for volume in pod["volumes"] if "secret" in volume}
    mounts = pod["containers"][0]["volumeMounts"]
    folders["storefront"] = {mount["mountPath"] for mount in mounts if mount["name"] in secrets}
    for application in SPARK:
        for role in ("driver", "executor"):
            given = application["spec"][role]["secrets"]
            folders[f"{application['metadata']['name']} {role}"] = {secret["path"] for secret in given}
    for where, entries in environments():
        asked = {e["value"].rpartition("/")[0] for e in entries if e["name"].endswith("_FILE")}
        assert asked <= folders[where], where
    parts = [part for part in values.values() if isinstance(part, dict)]
    assert not any("extraVolumes" in part or "env" in part for part in parts), "a part of its own is not looked at here"


def test_airflows_migration_makes_the_pools_as_the_compose_file_does() -> None:
    init = compose_file.read({})["airflow-init"]
    assert VALUES["airflow-values.yaml"]["migrateDatabaseJob"]["args"] == list(init.command)
    assert "airflow_pools.json" in init.command[-1]


def test_the_charts_exporter_gives_the_names_that_the_rules_ask_for() -> None:
    ours = yaml.safe_load((HOME / "infra" / "dashboards" / "prometheus" / "statsd_mapping.yml").read_text())
    assert VALUES["airflow-values.yaml"]["statsd"]["overrideMappings"] == ours["mappings"]


def test_the_storefronts_pods_have_no_rights_bounds_and_probes() -> None:
    pod = BY_KIND["Deployment", "storefront"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    user = int(compose_file.image("storefront").user.partition(":")[0])
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["runAsUser"] == user
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod["automountServiceAccountToken"]
    rights = container["securityContext"]
    assert rights["readOnlyRootFilesystem"]
    assert not rights["allowPrivilegeEscalation"]
    assert rights["capabilities"] == {"drop": ["ALL"]}
    limits, requests = container["resources"]["limits"], container["resources"]["requests"]
    assert bytes_of(requests["memory"]) <= bytes_of(limits["memory"])
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys()
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz", "an outage of Redis must not restart pods"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    graceful = ServiceSettings.model_fields["shutdown_seconds"].default
    assert pod["terminationGracePeriodSeconds"] > pause + graceful


def test_selectors_meet() -> None:
    deployment = BY_KIND["Deployment", "storefront"]["spec"]
    labels = deployment["template"]["metadata"]["labels"].items()
    selectors = [
        deployment["selector"]["matchLabels"],
        BY_KIND["Service", "storefront"]["spec"]["selector"],
        BY_KIND["PodDisruptionBudget", "storefront"]["spec"]["selector"]["matchLabels"],
        BY_KIND["NetworkPolicy", "storefront"]["spec"]["podSelector"]["matchLabels"],
    ]
    assert all(selector.items() <= labels for selector in selectors)
    scaler = BY_KIND["HorizontalPodAutoscaler", "storefront"]["spec"]
    assert scaler["scaleTargetRef"]["name"] == "storefront"
    budget = BY_KIND["PodDisruptionBudget", "storefront"]["spec"]["minAvailable"]
    assert budget < scaler["minReplicas"], "no node could be drained"
    assert "replicas" not in deployment, "it would fight the autoscaler at each apply"
    ports = {
        port["port"] for rule in BY_KIND["NetworkPolicy", "storefront"]["spec"]["ingress"] for port in rule["ports"]
    }
    assert ports == {deployment["template"]["spec"]["containers"][0]["ports"][0]["containerPort"]}


@pytest.mark.parametrize("application", SPARK, ids=lambda a: a["metadata"]["name"])
def test_a_spark_application_runs_a_job_of_ours_with_bounds_and_without_rights(application: dict[str, Any]) -> None:
    spec = application["spec"]
    module, *arguments = spec["arguments"]
    assert (HOME / f"{module.replace('.', '/')}.py").is_file()
    assert arguments[0] == "--ds"
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", arguments[1])
    start = HOME / spec["mainApplicationFile"].removeprefix("local:///opt/nightshelf/")
    jars = compose_file.image("spark").environment["JARS"]
    assert {spec["sparkConf"][f"spark.{role}.extraClassPath"] for role in ("driver", "executor")} == {f"{jars}/*"}
    account = BY_KIND["ServiceAccount", "spark"]["metadata"]["name"]
    for role in ("driver", "executor"):
        part = spec[role]
        assert part["cores"] >= 1
        assert bytes_of(part["memory"]) >= 2 * 2**30
        assert part["podSecurityContext"]["runAsUser"] == 10001
        assert part["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert part["serviceAccount"] == account
    if not start.parent.joinpath("run.py").exists():
        pytest.skip("jobs/run.py, which starts a job from a file, is not in this checkout")
    assert start.is_file()


@pytest.mark.parametrize("part", ["apiServer", "scheduler", "dagProcessor", "triggerer", "statsd"])
def test_airflows_parts_are_bounded(part: str) -> None:
    resources = VALUES["airflow-values.yaml"][part]["resources"]
    assert bytes_of(resources["requests"]["memory"]) <= bytes_of(resources["limits"]["memory"])
    assert "cpu" in resources["limits"]


def test_airflows_values_fit_the_image() -> None:
    values, image = VALUES["airflow-values.yaml"], compose_file.image("airflow")
    assert image.user == f"{values['uid']}:{values['gid']}"
    assert image.environment["AIRFLOW_HOME"] == values["airflowHome"]
    lock = (HOME / "infra" / "images" / "requirements-airflow.txt").read_text()
    manager = values["config"]["core"]["auth_manager"]
    assert manager.startswith("airflow.api_fastapi.") or "providers-fab" in lock, "the image lacks the provider"
    assert "ln -s /opt/nightshelf/infra/images/entrypoint.sh /entrypoint" in compose_file.DOCKERFILE.read_text()
