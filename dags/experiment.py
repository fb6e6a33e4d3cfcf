"""By hand: what an experiment did between two days, each arm against its control.

### Purpose
Reads what was shown, clicked and bought, and says what each arm changed, with intervals, and whether the figures are to
be trusted at all.

### Inputs
The form: surface, first and last day, guardrails. The tables `impressions` (task of that name in `features`) and
`events` of these days.

### Outputs
A row in `experiments`, the KPI page behind the *Report* button of `analyse`, the verdict as XCom and in its log.

### What is normal
Seconds. The same window again replaces its result. A verdict that nothing was found is an answer.

### What is an incident
* `analyse` failed with bad input: no impressions in the window, or no experiment known; the log says which.
* The verdict says `DO NOT TRUST`: assignment or logging is broken; the reasons are named. Stop the experiment.

### How to backfill
Not needed. Impressions of past days: clear `impressions` of those runs of `features`, or backfill `features`.
"""

from airflow.sdk import Param

from dags.commands import command_task
from dags.policy import day_param, house_dag

FORM = {
    "surface": Param("home", type="string", pattern="^[a-z0-9][a-z0-9_-]{0,63}$", title="Surface"),
    "from": day_param("First day"),
    "to": day_param("Last day, included"),
    "revenue_drop": Param(0.02, type="number", minimum=0, title="Guardrail: loss of revenue", description="relative"),
    "share_rise": Param(0.01, type="number", minimum=0, title="Guardrail: more fallback or stale lists"),
    "expected": Param(0.05, type="number", exclusiveMinimum=0, title="Relative change whose power is told"),
}
WINDOW = ["--surface", "{{ params.surface }}", "--from", "{{ params['from'] }}", "--to", "{{ params['to'] }}"]
BOUNDS = [
    *("--revenue-drop", "{{ params.revenue_drop }}"),
    *("--share-rise", "{{ params.share_rise }}"),
    *("--expected", "{{ params.expected }}"),
]

with house_dag("experiment", doc=__doc__, schedule=None, tags=("by-hand", "experiments"), params=FORM):
    command_task(
        "analyse",
        "jobs.experiment",
        [*WINDOW, *BOUNDS],
        report="experiments/{{ params.surface }}-{{ params['from'] }}-{{ params['to'] }}.html",
    )
