"""By hand: a long range of days through the same jobs and gates, in chunks. First load and long backfills.

### Purpose
A first load or a backfill of months costs one Spark start a chunk here, instead of one a day in `features`.

### Inputs
The form: first day, last day, days a chunk, why, dry run. The shop's deliveries of those days.

### Outputs
`events` and `items` of every day; features as of the **last** day, and of the days that a training on the day after
will look back to (a training on any other day makes those that it needs itself).
Nothing is announced: no judging, no list is moved.

### What is normal
Chunks run in order, one at a time (pool `spark`). Days that did not change are not written again. A dry run prints the
plan, inspects the deliveries and skips the rest.

### What is an incident
* `plan` failed: the form is wrong; the log says how. `land` failed: a delivery is missing that must not be.
* A chunk failed with a gate: the log names table, day and check. Chunks before it are done and stay. Correct the
  cause and clear the failed chunk.

### How to backfill
This is the backfill. Start it again with the same range at any time: the result is the same. REST:
`POST /api/v2/dags/history/dagRuns {"logical_date": null, "conf": {"from": "2026-01-01", "to": "2026-06-30",
"reason": "first load"}}`. To go on to lists, run `features` with the partition key of the day after.
"""

from math import ceil

from airflow.sdk import Param, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from dags.commands import command_task, mapped_command
from dags.policy import NO_RETRY, Pool, day_param, house_dag
from lake.clock import DayRange
from lake.errors import BadInput

MOST_DAYS = 3700
FORM = {
    "from": day_param("First day"),
    "to": day_param("Last day, included"),
    "chunk_days": Param(120, type="integer", minimum=1, maximum=400, title="Days a chunk, at most"),
    "reason": Param(type="string", minLength=3, title="Why", description="For whoever reads this run later"),
    "dry_run": Param(False, type="boolean", title="Dry run", description="Only plan, and inspect the deliveries"),
}

with house_dag("history", doc=__doc__, schedule=None, tags=("by-hand",), params=FORM):

    @task(**NO_RETRY.arguments())
    def plan() -> list[list[str]]:
        """The arguments of each chunk but the last, whose own are kept as `last`; refuses a senseless range."""
        context = get_current_context()
        form = context["params"]
        try:
            days = DayRange.parse(start=form["from"], end=form["to"])
            if len(days) > MOST_DAYS:
                raise BadInput(f"{days} has {len(days)} days, at most {MOST_DAYS} go in one run: split the range")
        except BadInput as error:
            raise AirflowFailException(str(error)) from error
        count = ceil(len(days) / form["chunk_days"])
        chunks = days.chunks(ceil(len(days) / count))
        for number, chunk in enumerate(chunks, 1):
            print(f"chunk {number} of {len(chunks)}: {chunk}, {len(chunk)} days")
        *earlier, last = [["--from", f"{chunk.first}", "--to", f"{chunk.last}"] for chunk in chunks]
        context["ti"].xcom_push(key="last", value=[*last, "--for-training"])
        return [[*chunk, "--no-features"] for chunk in earlier]

    @task.short_circuit(**NO_RETRY.arguments())
    def for_real() -> bool:
        """A dry run ends here."""
        return not get_current_context()["params"]["dry_run"]

    chunks = plan()
    days = ["--from", "{{ params['from'] }}", "--to", "{{ params['to'] }}"]
    land = command_task("land", "jobs.land", [*days, "--history", "{{ '--dry-run' if params.dry_run else '' }}"])
    label = "{{ task.arguments[1] }} to {{ task.arguments[3] }}"
    earlier = mapped_command("chunk", "jobs.day", chunks, pool=Pool.SPARK, label=label)
    last = command_task("last_chunk", "jobs.day", chunks["last"], pool=Pool.SPARK, trigger_rule="none_failed")
    chunks >> land >> for_real() >> earlier >> last
