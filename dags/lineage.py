"""Inputs and outputs of a task for OpenLineage: tables of the lake, the shop's files, bundles, and the lists in Redis.

Asked for by the provider only where OPENLINEAGE_URL is set; names follow https://openlineage.io/docs/spec/naming.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lake.settings import Settings

Name = tuple[str, str]
"""Namespace and name of a data set."""


class TellsLineage:
    """Gives an operator that runs one of our modules what the OpenLineage provider asks operators for."""

    module: str

    def get_openlineage_facets_on_start(self) -> Any:
        """The data sets of the module's flow; none for a command that only plans or looks."""
        from airflow.providers.openlineage.extractors import OperatorLineage
        from openlineage.client.event_v2 import Dataset

        inputs, outputs = names(self.module, Settings())
        return OperatorLineage(
            inputs=[Dataset(namespace, name) for namespace, name in inputs],
            outputs=[Dataset(namespace, name) for namespace, name in outputs],
        )


def names(module: str, settings: Settings) -> tuple[list[Name], list[Name]]:
    """Data sets that a module reads, and those that it writes."""
    from jobs.flow import FLOWS

    flow = FLOWS.get(module)
    if flow is None:
        return [], []
    return [of(place, settings) for place in flow.reads], [of(place, settings) for place in flow.writes]


def of(place: str, settings: Settings) -> Name:
    """Namespace and name of a table or of a place beside the lake."""
    from jobs.flow import BUNDLES, DELIVERIES, SERVED
    from lake import storage

    if place == SERVED:
        url = urlsplit(settings.redis_url)
        return f"redis://{url.hostname}:{url.port or 6379}", "recs"
    if place == BUNDLES:
        uri = settings.mlflow_tracking_uri
        return (uri if "://" in uri and not uri.startswith("sqlite") else "mlflow"), "recommender"
    if place == DELIVERIES:
        return _stored(settings.data)
    return _stored(storage.table_uri(settings, place))


def _stored(uri: str) -> Name:
    from lake import storage

    if storage.is_s3(uri):
        bucket, _, key = uri.partition("://")[2].partition("/")
        return f"s3://{bucket}", key.rstrip("/") or "/"
    return "file", str(Path(uri).absolute())
