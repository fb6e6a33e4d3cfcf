"""Every night: yesterday's delivery becomes events and features in the lake, behind data-quality gates.

### Purpose
Lands the delivery of one UTC day (the run's **partition key**, `YYYY-MM-DD`), cleans it into `events`, makes
`items`, `user_features`, `item_features` and `co_visitation` as of that day, and announces the day, which wakes
`monitoring` and after it `lists`. Beside that, what the storefront logged of the lists it showed becomes `impressions`.

### Inputs
The shop's deliveries as the source's YAML describes them; `events` of earlier days.

### Outputs
The day's partitions of the tables above, rejected rows in `quarantine`, Data Docs, the asset `features`.

### What is normal
* Starts at 00:00 UTC for the day that has just ended. Until the delivery is there `land` is *up for retry* (sources
  with `missing_day: wait`): from minutes to half an hour between tries, until about noon UTC.
* Some quarantined rows; an empty day, where the source calls that normal: it is written and announced all the same.
* Days run one after another: while one waits for its delivery, others queue (backfills do not).
* `announce` is skipped in backfill runs.
* `impressions` ends at once where the source names no exposure log.

### What is an incident
* `day_given` failed: the run was started without a partition key. Nothing happened; start it with one.
* `land` failed: no delivery within half a day, or the source says `missing_day: fail`. Ask the shop, then clear `land`.
* `day` failed with a gate: the log names table, check and figures. Nothing of the gated table was replaced and the old
  lists go on serving. Correct the delivery or the mapping, then clear the task.
* `impressions` failed: no list waits for it, but experiments miss the day. Correct log or mapping, then clear it.

### How to backfill
UI: *Trigger > Backfill* with the first and last day. CLI: `airflow backfill create --dag-id features --from-date A
--to-date B --reprocess-behavior completed`. REST: `POST /api/v2/backfills`. A backfill rewrites partitions; it
announces nothing and moves no list. For more than about two weeks use `history`: one Spark start a chunk, not a day.
"""

from airflow.sdk import get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from dags.assets import FEATURES
from dags.commands import DS, command_task, day_given
from dags.policy import DELIVERY, NIGHTLY, NO_RETRY, Pool, house_dag

with house_dag("features", doc=__doc__, schedule=NIGHTLY, tags=("nightly",)):

    @task(outlets=[FEATURES], **NO_RETRY.arguments())
    def announce() -> None:
        """Tells `monitoring` that the day stands, unless an analyst is only rewriting the past."""
        if get_current_context()["dag_run"].run_type == "backfill":
            raise AirflowSkipException("a backfill run rewrites partitions and wakes nothing: no list is moved")

    land = command_task("land", "jobs.land", ["--ds", DS], retry=DELIVERY)
    day = command_task("day", "jobs.day", ["--ds", DS], pool=Pool.SPARK)
    impressions = command_task("impressions", "jobs.impressions", ["--ds", DS])
    day_given() >> land >> [day, impressions]
    day >> announce()
