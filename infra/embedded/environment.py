"""What every program of the stack finds in its environment: places, services, secrets, and no telemetry."""

import json
import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from dags.compute import ComputeSettings
from infra.embedded import postgres, secret_files
from infra.embedded.layout import HOME, Layout
from lake.settings import Settings
from storefront.service.settings import ServiceSettings

AIRFLOW_USER = "admin"

NO_TELEMETRY = {
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    "SCARF_ANALYTICS": "false",
    "SCARF_NO_ANALYTICS": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "true",
}

OWN = ("var", "redis_url", "mlflow_tracking_uri")
"""Settings fields that the stack itself answers; every other one is handed over if it was given."""

AIRFLOW_METRICS = tuple(
    f"AIRFLOW__METRICS__{name}"
    for name in (
        *("STATSD_ON", "STATSD_HOST", "STATSD_PORT", "STATSD_PREFIX", "STATSD_INFLUXDB_ENABLED", "LEGACY_NAMES_ON"),
        *("OTEL_ON", "OTEL_HOST", "OTEL_PORT", "OTEL_PREFIX", "OTEL_INTERVAL_MILLISECONDS"),
    )
)
"""Airflow's own switches for metrics by StatsD or OpenTelemetry; all off unless given."""

ALSO_HANDED = (
    *("NIGHTSHELF_SCHEDULE", "RETRY_SECONDS", "OPENLINEAGE_URL", "OPENLINEAGE_API_KEY"),
    *(name.upper() for name in ComputeSettings.model_fields),
    *AIRFLOW_METRICS,
)
"""What the DAGs and Airflow read beside the pipeline's settings."""

SERVICE = tuple(
    name.upper() if field.validation_alias else f"STOREFRONT_{name.upper()}"
    for name, field in ServiceSettings.model_fields.items()
    if name not in ("port", "redis_url", "user_key", "user_key_file")
)
"""Settings of the storefront service that may be handed over; its port is the stack's, the others the pipeline's."""

STORE_ACCESS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL")


def given(environ: Mapping[str, str]) -> dict[str, str]:
    """The pipeline's settings that a person handed over, paths made absolute (relative ones are from the checkout)."""
    values = {
        name.upper(): environ[name.upper()]
        for name in Settings.model_fields
        if environ.get(name.upper()) and name not in OWN
    }
    for name in ("SOURCE", "SURFACES", "MERCHANDISING", "DATA", "LAKE_ROOT", "JARS", "USER_KEY_FILE", "METRICS_DIR"):
        if name in values and "://" not in values[name]:
            values[name] = str((HOME / Path(values[name]).expanduser()).resolve())
    return values | {name: environ[name] for name in (*ALSO_HANDED, *SERVICE, *STORE_ACCESS) if environ.get(name)}


def defaults(layout: Layout) -> dict[str, str]:
    """What holds for handed-over places that were not given."""
    return {
        "SOURCE": str(HOME / "sources" / "demo_shop.yaml"),
        "SURFACES": str(HOME / "surfaces"),
        "JARS": str(HOME / ".jars"),
        "LAKE_ROOT": str(layout.var / "lake"),
        "DATA": str(layout.var / "deliveries"),
        "USER_KEY_FILE": str(layout.secrets / "user_key"),
        # Pages for staff; the stack listens on loopback only.
        "STOREFRONT_EXTENSIONS": "jobs.showroom.web:router,jobs.experiment_web:router",
    }


def build(layout: Layout, ports: Mapping[str, int], handed_over: Mapping[str, str]) -> dict[str, str]:
    """The environment of all programs; makes the secrets that are missing."""
    binaries = Path(sys.executable).parent
    java = _java_home(binaries)
    return {
        **NO_TELEMETRY,
        **defaults(layout),
        **handed_over,
        "VAR": str(layout.var),
        "NIGHTSHELF_HOME": str(HOME),
        "PYTHONPATH": str(HOME),
        "PATH": os.pathsep.join(dict.fromkeys([str(binaries), *os.environ.get("PATH", "/usr/bin:/bin").split(":")])),
        **({"JAVA_HOME": java} if java else {}),
        "REDIS_URL": redis_url(ports["redis"]),
        "STOREFRONT_PORT": str(ports["storefront"]),
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{ports['mlflow']}",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "TF_USE_LEGACY_KERAS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONUNBUFFERED": "1",
        **airflow(layout, ports),
        **openlineage(handed_over.get("OPENLINEAGE_URL", ""), handed_over.get("OPENLINEAGE_API_KEY", "")),
    }


def airflow(layout: Layout, ports: Mapping[str, int]) -> dict[str, str]:
    """Airflow's own settings: separate components on PostgreSQL, local executor, little memory."""
    url = f"http://127.0.0.1:{ports['airflow']}"
    password = secret_files.token(layout.secrets / "postgres")
    options = {
        "core": {
            "dags_folder": str(HOME / "dags"),
            "plugins_folder": str(HOME / "dags" / "plugins"),
            "load_examples": "False",
            "executor": "LocalExecutor",
            "parallelism": "4",
            "default_timezone": "utc",
            "dags_are_paused_at_creation": "False",
            "fernet_key": secret_files.fernet_key(layout.secrets / "fernet_key"),
            "simple_auth_manager_users": f"{AIRFLOW_USER}:admin",
            "simple_auth_manager_passwords_file": str(layout.secrets / "airflow_passwords.json"),
            "execution_api_server_url": f"{url}/execution/",
            "hostname_callable": "socket.gethostname",
            "min_serialized_dag_update_interval": "5",
        },
        "database": {"sql_alchemy_conn": postgres.url(ports["postgres"], password, "airflow")},
        "api": {
            "host": "127.0.0.1",
            "port": str(ports["airflow"]),
            "base_url": url,
            "workers": "1",
            "secret_key": secret_files.token(layout.secrets / "airflow_api"),
            "instance_name": "Nightshelf",
        },
        "api_auth": {"jwt_secret": secret_files.token(layout.secrets / "airflow_jwt")},
        "execution_api": {"jwt_expiration_time": "86400"},
        "logging": {"colored_console_log": "False", "uvicorn_logging_level": "WARNING"},
        "scheduler": {"task_queued_timeout": "3600", "enable_health_check": "False"},
        "dag_processor": {
            "parsing_processes": "1",
            "min_file_process_interval": "60",
            "refresh_interval": "60",
            "print_stats_interval": "300",
            "dag_file_processor_timeout": "120",
        },
        "triggerer": {"capacity": "100"},
    }
    flat = {f"AIRFLOW__{s.upper()}__{key.upper()}": value for s, keys in options.items() for key, value in keys.items()}
    return {"AIRFLOW_HOME": str(layout.airflow), "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "120", **flat}


def openlineage(url: str, key: str = "") -> dict[str, str]:
    """Airflow's settings for lineage events: off without an address, whatever else stands in the environment.

    Args:
        url: of an OpenLineage receiver (Marquez, DataHub, ...), without `/api/v1/lineage`.
        key: sent as a bearer token; empty: none.
    """
    transport: dict[str, object] = {"type": "http", "url": url, "endpoint": "api/v1/lineage", "timeout": 5}
    if key:
        transport["auth"] = {"type": "api_key", "apiKey": key}
    options = {
        "DISABLED": str(not url),
        "NAMESPACE": "nightshelf",
        "EMISSION_POLICY": json.dumps([{"scope": {}, "controls": {"include_source_code": False}}]),
        # A fork shares the task's line to Airflow: a receiver that hangs could leave the task running for ever.
        "EXECUTE_IN_THREAD": "True",
    }
    if url:
        options["TRANSPORT"] = json.dumps(transport)
    return {f"AIRFLOW__OPENLINEAGE__{name}": value for name, value in options.items()}


def write(path: Path, environment: Mapping[str, str]) -> None:
    """The environment as a shell script (it holds secrets: mode 0600)."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(environment.items())]
    path.touch(mode=0o600)
    path.write_text("\n".join([*lines, "unset PYTHONDONTWRITEBYTECODE", ""]))


def read(path: Path) -> dict[str, str]:
    """What `write` wrote."""
    words = shlex.split(path.read_text())
    return dict(word.split("=", 1) for before, word in pairwise(words) if before == "export")


def redis_url(port: int) -> str:
    """Where Redis answers."""
    return f"redis://127.0.0.1:{port}/0"


def _java_home(binaries: Path) -> str:
    """The Java that the set-up put beside Python where there was none; empty if PATH's is to be used."""
    return str(binaries.parent / "java") if (binaries.parent / "java" / "bin" / "java").is_file() else ""


def redis_binary() -> str | None:
    """Valkey's server beside Python, if the set-up put it there; else redis-server or valkey-server from PATH."""
    own = Path(sys.executable).parent / "valkey-server"
    return str(own) if own.is_file() else shutil.which("redis-server") or shutil.which("valkey-server")
