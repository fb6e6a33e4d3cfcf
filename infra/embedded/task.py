"""One command as a task of a DAG would run it, without a DAG: `python -m infra.embedded.task jobs.day --ds D`.

To try a target of docs/compute.md by hand: the operator that the settings choose starts the command and waits. A target
whose operator waits deferred needs Airflow itself, and is refused.
"""

import json
import os
import sys
import tempfile
from types import SimpleNamespace
from typing import Any

from infra.embedded.commands import report
from lake.errors import BadInput


def run(module: str, arguments: list[str]) -> dict[str, Any]:
    """Run a command on its target; its log is printed.

    Returns:
        The command's result.

    Raises:
        BadInput: the target's operator only works inside Airflow.
        AirflowException: the command failed.
    """
    from airflow.sdk import DAG

    from dags.commands import command_task
    from dags.compute import Target, target_of

    target = target_of(module, arguments)
    if target not in (Target.LOCAL, Target.SPARK_SUBMIT):
        raise BadInput(f"{module} would run on {target}, whose operator needs Airflow's triggerer")
    with DAG("by_hand", schedule=None):
        task = command_task("command", module, arguments)
    run_id = f"by-hand-{os.getpid()}"
    ti = SimpleNamespace(dag_id="by_hand", run_id=run_id, task_id="command", map_index=-1, try_number=1)
    return dict(task.execute({"dag_run": SimpleNamespace(run_id=run_id), "ti": ti}))


def main() -> None:
    if len(sys.argv) < 2:
        raise BadInput("usage: python -m infra.embedded.task MODULE [ARGUMENT ...]")
    with tempfile.TemporaryDirectory(prefix="nightshelf-airflow-") as home:
        os.environ.setdefault("AIRFLOW_HOME", home)
        os.environ.setdefault("AIRFLOW__USAGE_DATA_COLLECTION__ENABLED", "False")
        result = run(sys.argv[1], sys.argv[2:])
    print(json.dumps(result))


if __name__ == "__main__":
    report(main)
