"""The registered bundles: one MLflow model `recommender`, aliases `champion` and `challenger`.

`python -m models.registry resolve --alias champion` prints the version that serves; `list` and `promote --version N`
are for people. With MLflow away, the champion in the local cache serves and the log says so loudly.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from lake.command import finish
from lake.errors import BadInput, Unavailable
from lake.settings import Settings
from models import tracking
from models.bundle_cache import BundleCache, content_hash
from models.tracking import answering

log = logging.getLogger(__name__)

MODEL = "recommender"
EXPERIMENT = "nightshelf"
CHAMPION, CHALLENGER = "champion", "challenger"


class Registry:
    """Registers, finds and promotes bundles; works with a tracking server and with `sqlite:///`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.uri = settings.mlflow_tracking_uri
        self.cache = BundleCache(settings.var / "bundles")

    def register(
        self,
        path: Path,
        *,
        metrics: Mapping[str, Any],
        params: Mapping[str, Any],
        delta_versions: Mapping[str, int],
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Log a run with the bundle's folder as its model and register it; the same content gives the same version.

        Args:
            path: the bundle's folder.
            metrics, params: nested mappings are flattened with dots; metrics that are no finite number are left out.
            delta_versions: table -> Delta version read.

        Returns:
            The version, as text.

        Raises:
            BadInput: `path` holds no bundle.
            Unavailable: MLflow does not answer.
        """
        if not (path / "manifest.json").is_file():
            raise BadInput(f"path={path} holds no manifest.json; give the folder that Bundle.save wrote")
        content = content_hash(path)
        labels = {"content_hash": content, **{k: str(v) for k, v in (tags or {}).items()}}
        labels |= {f"delta.{table}": str(version) for table, version in delta_versions.items()}
        with answering(self.uri):
            client = tracking.connect(self.uri)
            if (known := self._find(client, "content_hash", content)) is not None:
                log.info("the same bundle is registered already, as version %s", known)
                return known
            return self._register(client, path, metrics, params, labels)

    def _register(
        self, client: Any, path: Path, metrics: Mapping[str, Any], params: Mapping[str, Any], tags: dict[str, str]
    ) -> str:
        import warnings

        import mlflow

        # The signature is stated; an example of a shop's user ids has no place in the registry.
        warnings.filterwarnings("ignore", message=".*input example was not provided.*")
        identity = tracking.experiment(client, EXPERIMENT, self.uri, self.settings.var)
        with mlflow.start_run(experiment_id=identity, run_name=f"bundle {tags.get('ds', '')}".strip(), tags=tags):
            mlflow.log_params({key: str(value)[:6000] for key, value in tracking.flat(params).items()})
            mlflow.log_metrics(
                {key: value for key, value in tracking.flat(metrics).items() if tracking.is_number(value)}
            )
            logged = mlflow.pyfunc.log_model(
                name="bundle",
                python_model=str(tracking.REPOSITORY / "models" / "pyfunc.py"),
                artifacts={"bundle": str(path)},
                code_paths=[str(tracking.REPOSITORY / name) for name in tracking.CODE],
                pip_requirements=tracking.requirements(),
                signature=tracking.signature(),
            )
            registered = mlflow.register_model(logged.model_uri, MODEL, await_registration_for=60, tags=tags)
        log.info("registered %s version %s from %s", MODEL, registered.version, path)
        return str(registered.version)

    def find(self, tag: str, value: str) -> str | None:
        """Newest version whose tag has this value, or None.

        Raises:
            Unavailable: MLflow does not answer.
        """
        with answering(self.uri):
            return self._find(tracking.connect(self.uri), tag, value)

    @staticmethod
    def _find(client: Any, tag: str, value: str) -> str | None:
        found = client.search_model_versions(f"name = '{MODEL}' and tag.`{tag}` = '{value}'")
        return str(max(int(each.version) for each in found)) if found else None

    def resolve(self, wanted: str = CHAMPION) -> tuple[str, Path] | None:
        """The version that an alias or number names, and its local folder, downloaded once.

        With MLflow away, a number needs only the cache, and an alias serves what it last named, with a warning.

        Args:
            wanted: `champion`, `challenger`, or a version number.

        Returns:
            None where the alias names nothing.

        Raises:
            BadInput: there is no such version.
            Unavailable: MLflow does not answer and nothing is cached.
        """
        numbered = wanted.isdecimal()
        try:
            with answering(self.uri):
                found = (
                    tracking.by_number(self.uri, MODEL, wanted)
                    if numbered
                    else tracking.by_alias(self.uri, MODEL, wanted)
                )
                if found is None and numbered:
                    raise BadInput(f"version={wanted}: no such version of {MODEL} in {self.uri}; see `list`")
                if found is None:
                    self.cache.forget(wanted)
                    return None
                version, content = found
                folder = self.cache.get(version, content) or self.cache.put(
                    version, content or "", lambda work: self._download(version, work)
                )
        except Unavailable as error:
            cached = self.cache.get(wanted) if numbered else None
            last = (wanted, cached) if cached else None if numbered else self.cache.pointed(wanted)
            if last is None:
                raise Unavailable(f"{error}; and no {wanted} is cached in {self.cache.root}") from error
            log.warning("MLFLOW IS AWAY: %s serves from the local cache, version %s (%s)", wanted, last[0], error)
            return last
        if not numbered:
            self.cache.point(wanted, version)
        return version, folder

    def promote(self, version: str) -> None:
        """Make a version the champion; it stops being the challenger.

        Raises:
            BadInput: there is no such version.
            Unavailable: MLflow does not answer.
        """
        with answering(self.uri):
            client = tracking.connect(self.uri)
            self._must_exist(version)
            before = tracking.by_alias(self.uri, MODEL, CHAMPION)
            if before is not None and before[0] != version:
                client.set_model_version_tag(MODEL, version, "replaces", before[0])
            client.set_registered_model_alias(MODEL, CHAMPION, version)
            challenger = tracking.by_alias(self.uri, MODEL, CHALLENGER)
            if challenger is not None and challenger[0] == version:
                client.delete_registered_model_alias(MODEL, CHALLENGER)
        log.info("version %s is the champion (before: %s)", version, before[0] if before else "none")

    def set_challenger(self, version: str) -> None:
        """Give a version the alias `challenger`.

        Raises:
            BadInput: there is no such version.
            Unavailable: MLflow does not answer.
        """
        with answering(self.uri):
            self._must_exist(version)
            tracking.connect(self.uri).set_registered_model_alias(MODEL, CHALLENGER, version)

    def versions(self) -> list[dict[str, Any]]:
        """All versions, newest first: version, aliases, tags, run, created (UTC milliseconds).

        Raises:
            Unavailable: MLflow does not answer.
        """
        with answering(self.uri):
            client = tracking.connect(self.uri)
            found = client.search_model_versions(f"name = '{MODEL}'")
            aliases = client.get_registered_model(MODEL).aliases if found else {}
        return [
            {
                "version": str(each.version),
                "aliases": sorted(alias for alias, version in aliases.items() if str(version) == str(each.version)),
                "tags": dict(each.tags),
                "run": each.run_id,
                "created": each.creation_timestamp,
            }
            for each in sorted(found, key=lambda each: -int(each.version))
        ]

    def _must_exist(self, version: str) -> None:
        if tracking.by_number(self.uri, MODEL, version) is None:
            raise BadInput(f"version={version}: no such version of {MODEL} in {self.uri}; see `list`")

    def _download(self, version: str, work: Path) -> Path:
        tracking.connect(self.uri)
        import mlflow

        log.info("downloading %s version %s", MODEL, version)
        mlflow.artifacts.download_artifacts(artifact_uri=f"models:/{MODEL}/{version}/artifacts", dst_path=str(work))
        found = sorted(work.glob("**/manifest.json"))
        if len(found) != 1:
            raise BadInput(f"version {version} of {MODEL} holds {len(found)} bundles, expected one; train anew")
        return found[0].parent


app = typer.Typer(add_completion=False, rich_markup_mode=None, help=__doc__)


@app.command("resolve", help="Fetch the version that an alias or number names; prints version and path.")
def _resolve(alias: Annotated[str, typer.Option(help="champion, challenger or a version")] = CHAMPION) -> None:
    def work(settings: Settings) -> dict[str, Any]:
        found = Registry(settings).resolve(alias)
        return {"version": found[0] if found else None, "path": str(found[1]) if found else None}

    finish("models.registry", work)


@app.command("list", help="All registered versions, newest first.")
def _list() -> None:
    finish("models.registry", lambda settings: {"versions": Registry(settings).versions()})


@app.command("promote", help="Make a version the champion, by hand.")
def _promote(version: Annotated[str, typer.Option(help="version number")]) -> None:
    def work(settings: Settings) -> dict[str, Any]:
        Registry(settings).promote(version)
        return {"version": version, "alias": CHAMPION}

    finish("models.registry", work)


if __name__ == "__main__":
    app()
