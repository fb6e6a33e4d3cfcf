"""Every announced day: is the champion still good enough on it? If not, retrain; then let the lists be made.

### Purpose
Judges the champion, with features as of the day before, on the day's events, and yesterday's lists as shoppers got
them. The verdict is `keep`, `retrain` (AUC fell, or the champion is old) or `bootstrap` (there is no champion). On the
last two it triggers `training` and waits, deferred, without holding a worker.

### Inputs
The asset `features` (its key is the day), the champion in the registry, `events`, `user_features`, `item_features`.

### Outputs
A row in `decisions`, the verdict with its figures as XCom and as a table in the log of `judge`, the HTML report behind
its *Report* button, the asset `judged`, which wakes `lists`.

### What is normal
`keep` on most days: `train` is skipped. A retraining about weekly. `judged` is sent even if training failed: the
champion of the day before makes the lists.

### What is an incident
* `train` failed: look into the red run of `training`; its note says why it was started. Lists go on with the champion.
* `judge` failed, hence `emit`: no verdict, no lists for this day, the old ones go on serving. Clear `judge`.
* No run at all for a day that `features` announced: this DAG was paused then. The event is lost; send it again:
  `POST /api/v2/assets/events {"asset_id": <id of features>, "partition_key": "<day>"}`.

### How to backfill
Not needed: judging an old day again changes nothing that serves. To repeat one day, clear its run, or
`POST /api/v2/dags/monitoring/dagRuns {"logical_date": null, "partition_key": "<day>"}`.
"""

from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import PartitionedAssetTimetable, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from dags.assets import FEATURES, JUDGED
from dags.commands import DS, RUN, command_task, day_given
from dags.policy import NO_RETRY, house_dag


class Trigger(TriggerDagRunOperator):
    """The trigger of the standard provider, whose note for the run it starts may be a template."""

    template_fields = (*TriggerDagRunOperator.template_fields, "note")


VERDICT = "{{ ti.xcom_pull('judge')['%s'] }}"

with house_dag(
    "monitoring", doc=__doc__, schedule=PartitionedAssetTimetable(assets=FEATURES), tags=("nightly", "quality")
):
    judge = command_task("judge", "models.judging", ["--ds", DS, "--run", RUN], report=f"judging/{DS}.html")

    @task.branch(**NO_RETRY.arguments())
    def retrain(verdict: dict[str, Any]) -> str:
        """Which way the verdict leads."""
        print(f"{verdict['decision']}: {verdict['reason']}")
        return "emit" if verdict["decision"] == "keep" else "train"

    # How long this may take is the run limit of `training` itself: a deferred task has no clock of its own.
    train = Trigger(
        task_id="train",
        trigger_dag_id="training",
        conf={"ds": DS, "reason": VERDICT % "reason"},
        note=f"{VERDICT % 'decision'}: {VERDICT % 'reason'}",
        wait_for_completion=True,
        deferrable=True,
        poke_interval=5,
        **NO_RETRY.arguments(),
    )

    @task(outlets=[JUDGED], trigger_rule="all_done", **NO_RETRY.arguments())
    def emit() -> None:
        """Lets the lists be made, unless nobody judged."""
        if not get_current_context()["ti"].xcom_pull("judge"):
            raise AirflowFailException("no verdict for this day, so no lists; clear `judge` once its cause is gone")

    day_given() >> judge
    way = retrain(judge.output)
    way >> [train, done := emit()]
    train >> done
