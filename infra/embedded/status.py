"""`make status`: name, state, pid, memory of the whole process tree, URL."""

import contextlib
import json
from collections.abc import Callable

import psutil

from infra.embedded.layout import Layout
from infra.embedded.supervisor import ALIVE_STATES, Supervisor

URL_OF = {"api-server": "airflow_url", "mlflow": "mlflow_url", "redis": "redis_url", "storefront": "storefront_url"}
MIB = 1024 * 1024


def tree_memory(pid: int) -> int:
    """Resident memory of a process and its descendants in MiB; shared pages are counted once (PSS) where readable."""
    total = 0
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                try:
                    total += process.memory_full_info().pss
                except (psutil.AccessDenied, AttributeError):
                    total += process.memory_info().rss
    return round(total / MIB)


def table(layout: Layout, supervisor: Supervisor, say: Callable[[str], None]) -> bool:
    """Print the table; True if the stack is up and every part of it runs."""
    records = supervisor.states() if supervisor.pid() is not None else {}
    if not records:
        say(f"down ({layout.var}); `make up` starts it")
        return False
    points = json.loads(layout.endpoints.read_text()) if layout.endpoints.is_file() else {}
    say(f"{'part':15} {'state':10} {'pid':>8} {'MiB':>6}  url")
    total = 0
    for name, record in records.items():
        memory = tree_memory(record["pid"]) if record["pid"] else 0
        total += memory
        url = points.get(URL_OF.get(name, ""), "")
        say(f"{name:15} {record['statename']:10} {record['pid'] or '-':>8} {memory:6}  {url}")
    say(f"{'total':15} {'':10} {'':8} {total:6}  {layout.var}")
    return all(record["statename"] in ALIVE_STATES for record in records.values())
