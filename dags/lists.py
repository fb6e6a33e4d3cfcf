"""Every judged day: one ranked list a shopper, an item and a segment, published to Redis in one step.

### Purpose
Pins one bundle, ranks for every shopper, applies the policy, gates the result, writes it under a new version and then
moves the pointer that readers follow.

### Inputs
The asset `judged` (its key is the day), the champion, features as of the day, `surfaces/*.yaml`.

### Outputs
The day's partition of `lists`; in Redis a new version for every surface and its pointer; rows in `decisions`.

### What is normal
All lists move at once, within minutes. An older day than the published one is made but does not move the pointer.

### What is an incident
* `pin` failed: no champion was ever promoted, or neither registry nor cache has it. Look at `training`.
* `lists` failed with a gate: too few shoppers, repeats or a missing fallback; the log says which. Nothing was pushed.
* `publish` failed: Redis is away, full or may evict. The old lists serve; a half-written version is never seen.
* Lists are bad all the same: `python -m jobs.rollback` brings back the version before, at once.

### How to backfill
Lists of a past day are not published. To repeat a day clear its run, or `POST /api/v2/dags/lists/dagRuns
{"logical_date": null, "partition_key": "<day>", "conf": {"replace": true}}`, where `replace` publishes even what is
not newer.
"""

from airflow.sdk import Param, PartitionedAssetTimetable

from dags.assets import JUDGED
from dags.commands import DS, RUN, command_task, day_given
from dags.policy import Pool, Retry, house_dag

FORM = {
    "replace": Param(False, type="boolean", title="Replace", description="Publish even if no newer than what serves"),
    "bundle": Param("champion", type="string", title="Bundle", description="alias or version"),
}
PINNED = "{{ ti.xcom_pull('pin')['version'] }}"

with house_dag(
    "lists", doc=__doc__, schedule=PartitionedAssetTimetable(assets=JUDGED), tags=("nightly", "serving"), params=FORM
):
    pin = command_task("pin", "models.registry", ["resolve", "--alias", "{{ params.bundle }}"], needs="version")
    lists = command_task("lists", "jobs.lists", ["--ds", DS, "--bundle", PINNED])
    publish = command_task(
        "publish",
        "jobs.publish",
        ["--ds", DS, "--run", RUN, "{{ '--replace' if params.replace else '--no-replace' }}"],
        pool=Pool.REDIS,
        retry=Retry(6),
    )
    day_given() >> pin >> lists >> publish
