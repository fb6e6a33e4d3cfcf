"""On a verdict of `monitoring`, or by hand: trains both stages as of a day and registers one bundle.

With *Minutes of search* in the form, better settings are searched for first, and the training takes what was found.

### Purpose
Stage one up to T-h, candidates at T-h, the ranker on labels of (T-h, T], stage one refit to T, evaluation against the
champion and the baselines; then the bundle becomes champion if it is better.

### Inputs
`events` up to the day, `items`, features as of the days that `plan` lists; the form: day, settings, promotion, reason,
minutes of search.

### Outputs
A version of the model `recommender` in the registry with parameters, metrics and the Delta versions read; its alias
`champion` if promoted; a row in `decisions`. Of a search: its study under `VAR/tuning`, its trials in MLflow, and the
settings that it hands to `train`, with the verdict in the log of `tune`.

### What is normal
Minutes to hours. A try that was killed goes on from its checkpoints. Not promoted is a normal end: the champion stays.
The same day again gives an equal bundle. A search often gains nothing; it says so, and the settings stay as given.

### What is an incident
* `train` failed with bad input: the message says which setting or table. With a GPU demanded (`ACCELERATOR=gpu`) and
  none there, it fails at once.
* The run hit its limit: it was failed, `monitoring` went on with the old champion. Look for a starved machine.
* The same failure on several nights: the champion ages; `storefront.lookup` shows how old the lists' bundle is.

### How to backfill
By hand with the form, for any day that the lake holds. REST: `POST /api/v2/dags/training/dagRuns {"logical_date": null,
"conf": {"ds": "2026-11-22", "promote": "never", "reason": "trying a longer history"}}`.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from dags.commands import command_task
from dags.policy import NO_RETRY, Pool, Retry, day_param, house_dag

FORM = {
    "ds": day_param("Train as of", description="The last day that may be known"),
    "config": Param("{}", type="string", title="Settings that differ", description="JSON; the defaults are {}"),
    "promote": Param("auto", enum=["auto", "never", "always"], title="Promote", description="auto: only if better"),
    "tune_minutes": Param(
        0, type="integer", minimum=0, maximum=240, title="Minutes of search", description="before training; 0: none"
    ),
    "reason": Param("", type="string", title="Why", description="For whoever reads this run later"),
}
DAY = ["--ds", "{{ params.ds }}"]
CONFIG = ["--config", "{{ params.config }}"]
MINUTES = ["--minutes", "{{ params.tune_minutes }}"]
FOUND = "{% set tuned = ti.xcom_pull('tune') %}{{ tuned['config'] | tojson if tuned else params.config }}"

with house_dag("training", doc=__doc__, schedule=None, tags=("models",), params=FORM, limit=timedelta(hours=6)):
    plan = command_task("plan", "models.tuning", [*DAY, *CONFIG, *MINUTES, "--plan"])

    @task(**NO_RETRY.arguments())
    def days_to_prepare(planned: dict[str, Any]) -> list[str]:
        """Arguments for the features that are needed and the lake lacks."""
        missing = planned.get("missing", planned["as_of"])
        if not missing:
            raise AirflowSkipException("features of every day that is needed are there")
        return ["--features-only", *(part for day in missing for part in ("--as-of", day))]

    @task.branch(trigger_rule="none_failed", **NO_RETRY.arguments())
    def search() -> str:
        """Whether the form asks for a search."""
        return "tune" if get_current_context()["params"]["tune_minutes"] else "train"

    prepare = command_task("prepare", "jobs.day", days_to_prepare(plan.output), pool=Pool.SPARK)
    tune = command_task("tune", "models.tuning", [*DAY, *CONFIG, *MINUTES], pool=Pool.TRAIN, retry=Retry(1))
    train = command_task(
        "train",
        "models.training",
        [*DAY, "--config", FOUND, "--promote", "{{ params.promote }}"],
        pool=Pool.TRAIN,
        retry=Retry(2),
        trigger_rule="none_failed",
    )
    plan >> prepare >> (way := search())
    way >> [tune, train]
    tune >> train
