"""What a job on another machine is told: the settings that were given, and never a secret.

Secrets reach it by other ways: the role of the machine, Secrets Manager, the job definition (docs/compute.md).
"""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from pydantic import SecretStr

from dags.policy import HOME
from lake.errors import BadInput
from lake.settings import Settings

STAYS = frozenset({"var", "data", "jars", "redis_url", "user_key_file", "metrics_dir", "spark_master"}) | {
    name for name, field in Settings.model_fields.items() if field.annotation is SecretStr
}
"""Fields of `Settings` that are secrets, or that mean something on this machine only."""
FILES = ("source", "surfaces", "merchandising")
"""Fields that name a file of the checkout."""
ALSO = ("LOG_LEVEL", "SPARK_LOG_LEVEL", "METRICS_PUSH_URL", "OPENLINEAGE_URL", "MLFLOW_HTTP_REQUEST_TIMEOUT")
QUIET = {
    "TF_USE_LEGACY_KERAS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "PYTHONUNBUFFERED": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "true",
}
VAR = "/tmp/nightshelf"
"""Folder of a job in a container; it goes with the container."""


def environment(given: Mapping[str, str], pipeline: Settings, image_home: str, run: str) -> dict[str, str]:
    """The variables of a job in an image.

    Args:
        given: this process's environment.
        run: name of the run, for records; may be a template.

    Raises:
        BadInput: a setting names a file outside the checkout, which the image would not have.
    """
    names = [name for name in Settings.model_fields if name not in STAYS and name not in FILES]
    told = {name.upper(): given[name.upper()] for name in names if given.get(name.upper())}
    files = {name.upper(): in_image(name, value, image_home) for name in FILES if (value := getattr(pipeline, name))}
    places = {"VAR": VAR, "JARS": f"{image_home}/.jars", "LAKE_ROOT": pipeline.lake_root, "PYTHONPATH": image_home}
    also = {name: given[name] for name in ALSO if given.get(name)}
    return QUIET | also | told | files | places | {"RUN_ID": run}


def in_image(name: str, path: Path, image_home: str) -> str:
    """Where a file of the checkout lies in the image."""
    inside = (HOME / path).resolve()
    if not inside.is_relative_to(HOME.resolve()):
        raise BadInput(f"{name.upper()}={path} lies outside the checkout {HOME}, so the image does not have it")
    return str(PurePosixPath(image_home) / inside.relative_to(HOME.resolve()).as_posix())
