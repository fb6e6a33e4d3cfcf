"""The door to MLflow: impatient, silent, imported only when it must be.

Looking up a version on a tracking server is one HTTP request made here, because importing MLflow costs each nightly
task 5-13 s. Everything else goes through MLflow's own client.
"""

import json
import logging
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import Any

from lake.errors import NightshelfError, Unavailable

LOOKUP_SECONDS = 5
CODE = ("lake", "models", "storefront")
PACKAGES = ("mlflow", "numpy", "scipy", "pandas", "pyarrow", "deltalake", "pydantic", "pydantic-settings", "pyyaml")
REPOSITORY = Path(__file__).resolve().parents[1]

Found = tuple[str, str | None]
"""A version and the content hash in its tags."""


@contextmanager
def answering(uri: str) -> Iterator[None]:
    """Turns whatever MLflow throws when it does not answer into `Unavailable`."""
    try:
        yield
    except NightshelfError:
        raise
    except Exception as error:
        origin = type(error).__module__
        if isinstance(error, OSError) or origin.startswith(("mlflow", "requests", "urllib3", "sqlalchemy")):
            first = str(error).partition("\n")[0][:300]
            raise Unavailable(f"MLflow at {uri} failed: {first}; see that it runs, then try again") from error
        raise


def is_remote(uri: str) -> bool:
    """Whether the tracking URI is a server's."""
    return uri.startswith(("http://", "https://"))


def connect(uri: str) -> Any:
    """MLflow's own client; also points MLflow's module-level functions at the URI.

    Raises:
        Unavailable: it is a server and does not answer.
    """
    for name, value in (
        ("MLFLOW_DISABLE_TELEMETRY", "true"),
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "20"),
        ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1"),
        ("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false"),
        ("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true"),
        ("GIT_PYTHON_REFRESH", "quiet"),
    ):
        os.environ.setdefault(name, value)
    if is_remote(uri):
        _get(uri, "version", {})  # a quick "no", before MLflow's import and its retries
    elif uri.startswith("sqlite:///"):
        Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    import mlflow

    for noisy in ("alembic", "mlflow.store", "mlflow.tracking"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    with _environment_kept("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
    return mlflow.MlflowClient()


def experiment(client: Any, name: str, uri: str, var: Path) -> str:
    """Id of the experiment of that name, made where there is none; without a server its artifacts go below `var`."""
    known = client.get_experiment_by_name(name)
    if known is not None:
        return str(known.experiment_id)
    # MLflow would put them into ./mlruns of whoever calls.
    place = None if is_remote(uri) else (var / "mlflow" / "artifacts").absolute().as_uri()
    return str(client.create_experiment(name, artifact_location=place))


@contextmanager
def _environment_kept(*names: str) -> Iterator[None]:
    """MLflow writes its URI into the environment, where the next `Settings` of the process would read it as ours."""
    before = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def by_alias(uri: str, model: str, alias: str) -> Found | None:
    """What an alias of a registered model names, or None."""
    if _plain_http(uri):
        return _version(_get(uri, "api/2.0/mlflow/registered-models/alias", {"name": model, "alias": alias}))
    return _ask(uri, lambda client: client.get_model_version_by_alias(model, alias))


def by_number(uri: str, model: str, version: str) -> Found | None:
    """The version of that number, or None."""
    if _plain_http(uri):
        return _version(_get(uri, "api/2.0/mlflow/model-versions/get", {"name": model, "version": version}))
    return _ask(uri, lambda client: client.get_model_version(model, version))


def _plain_http(uri: str) -> bool:
    """A server that wants credentials is asked through MLflow's client, which knows all its ways to give them."""
    return is_remote(uri) and not {"MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_TOKEN"} & set(os.environ)


def _ask(uri: str, question: Callable[[Any], Any]) -> Found | None:
    client = connect(uri)
    from mlflow.exceptions import MlflowException

    try:
        answer = question(client)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise
    return str(answer.version), answer.tags.get("content_hash")


def _version(answer: Any) -> Found | None:
    if answer is None:
        return None
    version = answer["model_version"]
    tags = {tag["key"]: tag["value"] for tag in version.get("tags", [])}
    return str(version["version"]), tags.get("content_hash")


def _get(uri: str, path: str, query: Mapping[str, str]) -> Any:
    """One GET on the server; None where it says that the thing does not exist.

    Raises:
        Unavailable: no answer within `LOOKUP_SECONDS`, or an error of the server.
    """
    url = f"{uri.rstrip('/')}/{path}?{urllib.parse.urlencode(query)}"
    try:
        with urllib.request.urlopen(url, timeout=LOOKUP_SECONDS) as answer:
            text = answer.read().decode()
            return json.loads(text) if path.startswith("api/") else text
    except urllib.error.HTTPError as error:
        told = error.read().decode(errors="replace")
        if error.code in (400, 404) and ("RESOURCE_DOES_NOT_EXIST" in told or "INVALID_PARAMETER_VALUE" in told):
            return None
        raise Unavailable(f"MLflow at {uri} answered {error.code}: {told[:200]}") from error
    except (OSError, ValueError) as error:
        raise Unavailable(f"MLflow at {uri} does not answer ({error})") from error


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, keys joined by dots and reduced to what MLflow allows."""
    result: dict[str, Any] = {}
    for key, value in values.items():
        name = re.sub(r"[^\w\-. :/]", "_", f"{prefix}{key}".replace("@", "_at_"))
        result |= flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return result


def is_number(value: Any) -> bool:
    """Whether MLflow takes the value as a metric."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def requirements() -> list[str]:
    """Packages the model needs; stated, as MLflow would load the model in a subprocess to find out (84 s)."""
    from importlib.metadata import version

    return [f"{name}=={version(name)}" for name in PACKAGES]


def signature() -> Any:
    """Input, output and parameters of `models.pyfunc`."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import Array, DataType

    return ModelSignature(
        inputs=Schema([ColSpec(DataType.string, "user_id")]),
        outputs=Schema([ColSpec(DataType.string, "user_id"), ColSpec(Array(DataType.string), "item_ids")]),
        params=ParamSchema([ParamSpec("k", DataType.long, 50), ParamSpec("ds", DataType.string, "")]),
    )
