"""A search in MLflow: one parent run, one child a trial. Where MLflow is away, the search goes on without."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from lake.errors import Unavailable
from lake.settings import Settings
from models import tracking
from models.registry import EXPERIMENT

log = logging.getLogger("nightshelf.tuning")

PARENT = "mlflow.parentRunId"


class Runs:
    """The runs of one search.

    Args:
        tags: what the parent says of itself; one of the same tags is gone on with.
    """

    def __init__(self, settings: Settings, tags: Mapping[str, str]) -> None:
        self._uri = settings.mlflow_tracking_uri
        self._client: Any = None
        self._quietly(lambda: self._begin(settings, {"kind": "search", **tags}))

    def _begin(self, settings: Settings, tags: Mapping[str, str]) -> None:
        client = tracking.connect(self._uri)
        self._experiment = tracking.experiment(client, EXPERIMENT, self._uri, settings.var)
        same = " and ".join(f"tags.{name} = '{value}'" for name, value in tags.items())
        known = client.search_runs([self._experiment], same, max_results=1)
        if known:
            self._parent = known[0].info.run_id
            client.update_run(self._parent, status="RUNNING")
        else:
            name = f"search {tags['study']}"
            self._parent = client.create_run(self._experiment, run_name=name, tags=dict(tags)).info.run_id
        self._client = client

    def trial(self, stage: str, measure: str, trial: FrozenTrial) -> None:
        """Keep one trial: its values, its figure after each epoch and at the end."""
        if self._client is not None:
            self._quietly(lambda: self._keep(stage, measure, trial))

    def _keep(self, stage: str, measure: str, trial: FrozenTrial) -> None:
        from mlflow.entities import Metric, Param

        finished = trial.state == TrialState.COMPLETE
        tags = {"kind": "trial", "stage": stage, "state": trial.state.name, PARENT: self._parent}
        run = self._client.create_run(self._experiment, run_name=f"{stage} {trial.number}", tags=tags).info.run_id
        [name] = tracking.flat({measure: 0})
        now = int(trial.datetime_complete.timestamp() * 1000) if trial.datetime_complete else 0
        metrics = [Metric(f"{name}.epoch", value, now, epoch) for epoch, value in trial.intermediate_values.items()]
        metrics += [Metric(name, trial.value, now, 0)] if finished else []
        self._client.log_batch(run, metrics, [Param(key, str(value)) for key, value in trial.params.items()])
        self._client.set_terminated(run, "FINISHED" if finished else "KILLED")

    def end(self, result: Mapping[str, Any]) -> None:
        """Keep the result and close the parent."""
        if self._client is not None:
            self._quietly(lambda: self._finish(result))

    def _finish(self, result: Mapping[str, Any]) -> None:
        self._client.log_dict(self._parent, dict(result), "search.json")
        self._client.set_tag(self._parent, "verdict", result["verdict"])
        self._client.set_terminated(self._parent)

    def _quietly(self, work: Callable[[], None]) -> None:
        try:
            with tracking.answering(self._uri):
                work()
        except Unavailable as error:
            log.warning("the search is not kept in MLflow: %s", error)
            self._client = None
