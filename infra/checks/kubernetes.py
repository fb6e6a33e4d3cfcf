"""`make verify CHECKS=kubernetes CHARTS=DIR`: the manifests against the charts' own schemas, and checkov's findings.

DIR holds charts as `helm pull --untar` leaves them: `spark-operator/` (its CRDs know what a SparkApplication may say,
its values.yaml which values there are) and `airflow/` (values.schema.json). What is not there is named in the result as
not checked. Fields that a schema does not know count as faults: a cluster would silently drop them.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import yaml

from infra.embedded.commands import say
from infra.embedded.layout import HOME
from lake.errors import BadInput

FOLDER = HOME / "infra" / "kubernetes"
CRD = "spark-operator/crds/sparkoperator.k8s.io_sparkapplications.yaml"
SPARK_VALUES = "spark-operator/values.yaml"
AIRFLOW_SCHEMA = "airflow/values.schema.json"


def check() -> tuple[dict[str, Any], bool]:
    """Faults by what was checked; passed if there are none.

    Raises:
        BadInput: CHARTS is given and no folder.
    """
    charts = Path(os.environ["CHARTS"]) if os.environ.get("CHARTS") else None
    if charts is not None and not charts.is_dir():
        raise BadInput(f"CHARTS={charts} is no folder; give the one into which `helm pull --untar` put the charts")
    faults: dict[str, list[str]] = {}
    missing = []
    for place, faulty in ((CRD, _applications), (SPARK_VALUES, _spark_values), (AIRFLOW_SCHEMA, _airflow_values)):
        if charts is not None and (charts / place).is_file():
            faults[place] = list(faulty(charts / place))
        else:
            missing.append(place)
    security = _checkov()
    if security is None:
        missing.append("checkov")
    else:
        faults["checkov"] = security
    for place, found in faults.items():
        say(f"  {place}: {len(found)} faults" + "".join(f"\n    {fault}" for fault in found))
    versions = {chart: _version(charts / chart) for chart in ("spark-operator", "airflow") if charts is not None}
    figures = {"faults": faults, "not_checked": missing, "charts": {c: v for c, v in versions.items() if v}}
    return figures, bool(faults) and not any(faults.values())


def _applications(path: Path) -> Iterator[str]:
    """SparkApplications against the operator's definition."""
    definition = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    schemas = {version["name"]: version["schema"]["openAPIV3Schema"] for version in definition["spec"]["versions"]}
    for manifest in sorted((FOLDER / "spark").glob("*.yaml")):
        for document in yaml.safe_load_all(manifest.read_text()):
            if document["kind"] == "SparkApplication":
                schema = _closed(schemas[document["apiVersion"].rpartition("/")[2]], outermost=True)
                yield from _told(manifest.name, schema, document)


def _spark_values(path: Path) -> Iterator[str]:
    """Values that the operator's chart does not know."""
    yield from _unknown(yaml.safe_load(path.read_text()), _values("spark-operator-values.yaml"))


def _airflow_values(path: Path) -> Iterator[str]:
    """Values against the schema of Airflow's chart."""
    yield from _told("airflow-values.yaml", json.loads(path.read_text()), _values("airflow-values.yaml"))


def _values(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text())


def _told(name: str, schema: Any, document: Any) -> Iterator[str]:
    for error in jsonschema.Draft7Validator(schema).iter_errors(document):
        yield f"{name}: {'.'.join(map(str, error.absolute_path))}: {error.message[:200]}"


def _closed(schema: Any, outermost: bool = False) -> Any:
    """A schema that refuses fields it does not name; `metadata` of the outermost object is Kubernetes' own."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    open_ended = "additionalProperties" in schema or schema.get("x-kubernetes-preserve-unknown-fields") or outermost
    if "properties" in schema and not open_ended:
        closed["additionalProperties"] = schema.get("properties") == {}
    return closed


def _unknown(known: Any, given: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for key, value in given.items():
        if not isinstance(known, Mapping) or (known and key not in known):
            yield f"the chart has no value {path}{key}"
        elif isinstance(value, Mapping) and known.get(key):
            yield from _unknown(known[key], value, f"{path}{key}.")


def _version(chart: Path) -> str | None:
    path = chart / "Chart.yaml"
    return str(yaml.safe_load(path.read_text())["version"]) if path.is_file() else None


def _checkov() -> list[str] | None:
    """Findings on the manifests; None where checkov is not installed."""
    tool = HOME / ".venv" / "tools" / "bin" / "checkov"
    if not tool.exists():
        return None
    command = [str(tool), "-d", str(FOLDER), "--framework", "kubernetes", "--compact", "--quiet", "-o", "json"]
    skipped = [word for name in SKIPPED for word in ("--skip-check", name)]
    done = subprocess.run(
        [*command, *skipped], capture_output=True, text=True, env={**os.environ, "BC_SKIP_MAPPING": "TRUE"}
    )
    results = json.loads(done.stdout or "{}").get("results", {})
    return [f"{each['check_id']} {each['check_name']}: {each['resource']}" for each in results.get("failed_checks", [])]


SKIPPED = {
    "CKV_K8S_43": "images by digest: digests are resolved where there is a registry",
    "CKV_K8S_15": "imagePullPolicy Always: tags of ours are never moved",
}
"""Findings that are not faults here, and why."""
