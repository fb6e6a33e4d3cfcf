"""What holds for every DAG, stated once: owner, tags, retries, pools, limits, and which environment this is.

The only module of the DAGs that looks at the environment. `NIGHTSHELF_HOME` is the checkout that jobs run from,
`NIGHTSHELF_SCHEDULE` is `nightly` (the default) or `none`: with `none` the `features` DAG runs only when asked (by
partition key or backfill), as for a log that ended years ago. `RETRY_SECONDS` is the first pause between two tries.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, CronPartitionTimetable, Param

HOME = Path(os.environ.get("NIGHTSHELF_HOME") or Path(__file__).resolve().parents[1])
SCHEDULED = os.environ.get("NIGHTSHELF_SCHEDULE", "nightly") != "none"
FIRST_PAUSE = timedelta(seconds=float(os.environ.get("RETRY_SECONDS") or 60))

OWNER = "nightshelf"
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
NIGHTLY = CronPartitionTimetable("0 0 * * *", timezone="UTC", key_format="%Y-%m-%d", run_offset=-1)
"""Every midnight UTC, for the day that has just ended. The partition key of the run of the 23rd is the 22nd."""


class Pool(StrEnum):
    """A scarce thing that one task at a time may use. `None` in `command_task` is Airflow's default pool."""

    SPARK = "spark"
    TRAIN = "train"
    REDIS = "redis"


@dataclass(frozen=True)
class Retry:
    """How often a task is tried again and how long it pauses: doubling from `first`, at most `longest`."""

    times: int
    first: timedelta = FIRST_PAUSE
    longest: timedelta = timedelta(minutes=30)

    def arguments(self) -> dict[str, Any]:
        """As operators take it."""
        return {
            "retries": self.times,
            "retry_delay": self.first,
            "retry_exponential_backoff": 2.0 if self.times else 0,
            "max_retry_delay": self.longest,
        }


NO_RETRY = Retry(0)
SERVICE = Retry(3, longest=timedelta(minutes=10))
"""A service or a lock may be away for some minutes."""
DELIVERY = Retry(26, first=5 * FIRST_PAUSE)
"""A delivery may be late: from midnight this tries until about noon UTC, six hours past the default cut-off."""


def house_dag(
    dag_id: str,
    *,
    doc: str | None,
    schedule: Any,
    tags: tuple[str, ...],
    params: Mapping[str, Param] | None = None,
    limit: timedelta = timedelta(hours=20),
    **more: Any,
) -> DAG:
    """A DAG with the house's owner, defaults and page.

    Args:
        doc: the file's docstring; it is the DAG's page in the UI.
        limit: how long a run may take before it is failed.
        more: handed to `DAG` unchanged.
    """
    return DAG(
        dag_id,
        schedule=schedule,
        start_date=BEGINNING,
        end_date=BEGINNING if schedule is NIGHTLY and not SCHEDULED else None,
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,  # events sent while a consumer is paused are lost
        default_args={"owner": OWNER, **SERVICE.arguments()},
        tags={OWNER, *tags},
        params=dict(params or {}),
        dagrun_timeout=limit,
        doc_md=doc,
        **more,
    )


def day_param(title: str, **more: Any) -> Param:
    """A required form field that takes a day."""
    return Param(type="string", format="date", title=title, **more)
